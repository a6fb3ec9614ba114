package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// stable is the service that the load asks for. It does not change.
const stable = "stable"

// siteTemplate is rendered into a file that nginx includes: an upstream for each
// service, a server for the load, and one that answers all ports, so that it can be
// seen which output is live.
const siteTemplate = `{{range services}}{{if in .Tags "http"}}upstream {{.Name}} {
{{range service .Name}}  server {{.Address}}:{{.Port}};
{{end}}}
{{end}}{{end}}
server { listen %s; location / { proxy_pass http://` + stable + `; } }
server {
  listen %s;
  return 200 "{{range services}}{{if in .Tags "http"}}{{range service .Name}}{{.Port}} {{end}}{{end}}{{end}}";
}
`

// maxInstances is what fits into that answer: a parameter of nginx has less than
// 4,096 bytes.
const maxInstances = 600

// site is an nginx of its own with what one program renders for it.
type site struct {
	*servers.Nginx
	dir, source, dest string
	load, state       string // host:port of its servers
	counted           int    // bytes of the log
}

func startSite(ctx context.Context, dir string) (*site, error) {
	ports, err := servers.FreePorts(2)
	if err != nil {
		return nil, err
	}
	s := &site{
		dir: dir, source: filepath.Join(dir, "site.tmpl"), dest: filepath.Join(dir, "conf.d", "site.conf"),
		load: fmt.Sprintf("127.0.0.1:%d", ports[0]), state: fmt.Sprintf("127.0.0.1:%d", ports[1]),
	}
	if err := os.Mkdir(filepath.Dir(s.dest), 0o755); err != nil {
		return nil, err
	}
	conf := filepath.Join(dir, "nginx.conf")
	main := fmt.Sprintf("worker_processes 2;\nerror_log %s notice;\nevents {}\nhttp {\n%s\ninclude conf.d/*.conf;\n}\n",
		filepath.Join(dir, "error.log"), servers.HTTPTemp(dir))
	for path, text := range map[string]string{conf: main, s.source: fmt.Sprintf(siteTemplate, s.load, s.state)} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	s.Nginx, err = servers.StartNginx(ctx, dir, conf)
	return s, err
}

// ports asks nginx which ports it serves, sorted.
func (s *site) ports(ctx context.Context) ([]int, error) {
	text, err := servers.Get(ctx, servers.LoadOptions{Addr: s.state})
	if err != nil {
		return nil, err
	}
	var list []int
	for _, field := range strings.Fields(text) {
		port, err := strconv.Atoi(field)
		if err != nil {
			return nil, err
		}
		list = append(list, port)
	}
	slices.Sort(list)
	return list, nil
}

// until returns when nginx serves just these ports.
func (s *site) until(ctx context.Context, want []int) error {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	slices.Sort(want)
	return servers.Wait(ctx, func() error {
		live, err := s.ports(ctx)
		if err == nil && !slices.Equal(live, want) {
			err = fmt.Errorf("nginx serves %d instances that are not the %d of the catalog", len(live), len(want))
		}
		return err
	})
}

// follow tells what nginx serves until ctx ends.
func (s *site) follow(ctx context.Context, seen func(ports []int)) {
	for ; ctx.Err() == nil; pause(ctx, 5*time.Millisecond) {
		if live, err := s.ports(ctx); err == nil {
			seen(live)
		}
	}
}

// reloads counts what the log tells since the last call: commands are runs of nginx
// -s reload, signals those that the master has had, from such a command or another
// process, and done is how often it has read its configuration: signals that arrive
// while it does are one.
func (s *site) reloads() (commands, signals, done int) {
	log := s.Log()
	for line := range strings.Lines(log[min(s.counted, len(log)):]) {
		switch {
		case strings.Contains(line, "signal process started"):
			commands++
		case strings.Contains(line, "(SIGHUP) received"):
			signals++
		case strings.HasSuffix(line, ": reconfiguring\n"):
			done++
		}
	}
	s.counted = len(log)
	return commands, signals, done
}

// settle waits until nginx has not been reloaded for a while.
func (s *site) settle(ctx context.Context) {
	for {
		pause(ctx, 500*time.Millisecond)
		if commands, signals, done := s.reloads(); commands+signals+done == 0 || ctx.Err() != nil {
			return
		}
	}
}
