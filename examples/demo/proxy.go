package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
	"github.com/ctmpl/ctmpl/internal/servers/installed"
)

// proxy is nginx and what the demo knows of it.
type proxy struct {
	*servers.Nginx
	found  installed.Nginx
	stream bool   // whether it can serve TCP
	addr   string // where it takes requests
}

// findNginx looks for an nginx that the demo can run.
func findNginx(ctx context.Context) (*proxy, error) {
	if runtime.GOOS != "linux" {
		return nil, errors.New("this demo can run nginx on Linux only")
	}
	found, err := servers.FindNginx(ctx)
	if err != nil && !errors.Is(err, installed.ErrNoStream) {
		return nil, err
	}
	return &proxy{found: found, stream: err == nil}, nil
}

// env tells the template what this nginx can do.
func (p *proxy) env() []string {
	stream := "on"
	if !p.stream {
		stream = "off"
	}
	return []string{"STREAM=" + stream, "STREAM_MODULE=" + p.found.StreamModule}
}

// emptyConf is what nginx runs with before ctmpl does: the same main directives as
// in the template, and nothing to offer.
const emptyConf = `%spid nginx.pid;
events {}
http {
    include paths.conf;
    server { listen 127.0.0.1:%d; return 503; }
}
`

// start runs nginx on port with the configuration of the workplace.
func (p *proxy) start(ctx context.Context, w *workplace, port int) (err error) {
	load := ""
	if p.found.StreamModule != "" {
		load = "load_module " + p.found.StreamModule + ";\n"
	}
	if err := w.save(renderedFile, fmt.Sprintf(emptyConf, load, port)); err != nil {
		return err
	}
	p.addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	p.Nginx, err = servers.StartNginx(ctx, w.dir, w.path(renderedFile))
	return err
}

// stop ends nginx, without mercy once hurry has ended.
func (p *proxy) stop(hurry context.Context) error {
	if p.Nginx == nil {
		return nil
	}
	if hurry.Err() != nil {
		p.Kill()
		return nil
	}
	return p.Stop()
}

// reloaded tells whether a worker answers that is not among those from before.
func (p *proxy) reloaded(ctx context.Context, workers []int) error {
	answer, err := servers.Get(ctx, servers.LoadOptions{Addr: p.addr, Path: "/worker"})
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(answer)
	if err != nil {
		return fmt.Errorf("nginx gives %q for the number of its worker", answer)
	}
	if slices.Contains(workers, pid) {
		return errors.New("an old worker of nginx answers")
	}
	return nil
}

// drained tells whether the workers from before a reload have ended, which they do
// when they have answered what they had taken.
func (p *proxy) drained(workers []int) error {
	left := slices.DeleteFunc(slices.Clone(workers), func(pid int) bool { return !slices.Contains(p.Workers(), pid) })
	if len(left) > 0 {
		return fmt.Errorf("old workers of nginx are still there: %v", left)
	}
	return nil
}

// echo sends a line through the TCP port of nginx and gives what comes back.
func echo(ctx context.Context, port int, line string) (string, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintln(conn, line); err != nil {
		return "", err
	}
	back := make([]byte, len(line)+1)
	n, err := conn.Read(back)
	return strings.TrimSpace(string(back[:n])), err
}
