package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// config is ctmpl.hcl, so that the program runs from any directory of the module.
//
//go:embed ctmpl.hcl
var config string

// world is every server of the story but those of gRPC.
type world struct {
	dir    string // of nginx and ctmpl
	conf   string // nginx's main file, which ctmpl writes
	addr   string // where nginx listens for gRPC
	consul *servers.Consul
	nginx  *servers.Nginx
	ctmpl  *daemon

	cleanups []func() error // last one first
}

// newWorld starts Consul, nginx and ctmpl. Nothing is registered yet.
func newWorld(ctx context.Context) (*world, error) {
	if err := installed(ctx); err != nil {
		return nil, err
	}
	w := &world{}
	for _, start := range []func(context.Context) error{w.makeDir, w.startConsul, w.startNginx} {
		if err := start(ctx); err != nil {
			return nil, errors.Join(err, w.stop())
		}
	}
	return w, nil
}

// installed says what to do about a server that is missing, before anything starts.
func installed(ctx context.Context) error {
	_, consulErr := servers.ConsulPath()
	_, nginxErr := servers.FindNginx(ctx)
	return errors.Join(consulErr, nginxErr)
}

func (w *world) makeDir(context.Context) error {
	dir, err := os.MkdirTemp("", "ctmpl-grpc-")
	if err != nil {
		return err
	}
	w.cleanup(func() error { return os.RemoveAll(dir) })
	w.dir, w.conf = dir, filepath.Join(dir, "nginx.conf")
	if err := os.Mkdir(filepath.Join(dir, "tmp"), 0o755); err != nil {
		return err
	}
	local := strings.ReplaceAll(config, "/etc/nginx/nginx.conf", w.conf)
	return os.WriteFile(filepath.Join(dir, "ctmpl.hcl"), []byte(local), 0o644)
}

func (w *world) startConsul(ctx context.Context) (err error) {
	if w.consul, err = servers.StartConsul(ctx, servers.ConsulOptions{}); err == nil {
		w.cleanup(w.consul.Stop)
	}
	return err
}

// startNginx lets ctmpl write the first configuration, starts nginx with it, and then
// ctmpl as it runs beside nginx from then on.
func (w *world) startNginx(ctx context.Context) error {
	binary, err := buildCtmpl(ctx, w.dir)
	if err != nil {
		return err
	}
	args, err := w.args()
	if err != nil {
		return err
	}
	if err := runOnce(ctx, binary, args); err != nil {
		return err
	}
	if w.nginx, err = servers.StartNginx(ctx, w.dir, w.conf); err != nil {
		return err
	}
	w.cleanup(w.nginx.Stop)
	if w.ctmpl, err = startDaemon(w.dir, binary, args); err == nil {
		w.cleanup(w.ctmpl.stop)
	}
	return err
}

// drainTime is how long a worker of before a reload may stay for its streams.
const drainTime = "4s"

// args are those of ctmpl: what ctmpl.hcl has for everybody, where Consul and nginx are,
// and the variables of this story.
func (w *world) args() ([]string, error) {
	nginx := filepath.Join(w.dir, "nginx.hcl")
	text := fmt.Sprintf("nginx {\n  config = %q\n  prefix = %q\n  pid_file = %q\n}\n", w.conf, w.dir, filepath.Join(w.dir, "nginx.pid"))
	if err := os.WriteFile(nginx, []byte(text), 0o644); err != nil {
		return nil, err
	}
	vars, err := w.vars()
	args := []string{
		"-config", filepath.Join(w.dir, "ctmpl.hcl"), "-config", nginx,
		"-consul-addr", w.consul.HTTPAddr, "-state-dir", filepath.Join(w.dir, "state"),
	}
	for name, value := range vars {
		args = append(args, "-var", name+"="+value)
	}
	return args, err
}

// vars are such that nginx listens on free ports, keeps its files in the directory and
// does not need root, and that there is something to see within seconds.
func (w *world) vars() (map[string]string, error) {
	ports, err := servers.FreePorts(4)
	if err != nil {
		return nil, err
	}
	slices.Sort(ports) // as in nginx's file
	w.addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[0]))
	vars := map[string]string{
		"address": "127.0.0.1", "user": "", "modules": "", "temp_dir": filepath.Join(w.dir, "tmp"),
		"shutdown_timeout": drainTime, "max_body": "1m",
		"workers": "1", // see README.md
	}
	for i, name := range []string{"grpc_listen", "http_listen", "https_listen", "tls_listen"} {
		vars[name] = strconv.Itoa(ports[i])
	}
	for name, file := range map[string]string{"pid": "nginx.pid", "error_log": "error.log", "access_log": "access.log"} {
		vars[name] = filepath.Join(w.dir, file)
	}
	return vars, nil
}

// file gives nginx's main file.
func (w *world) file() (string, error) {
	text, err := os.ReadFile(w.conf)
	return string(text), err
}

// inFile waits until the file has the address of a server, or has it no longer.
func (w *world) inFile(ctx context.Context, addr string, want bool) error {
	return servers.Wait(ctx, func() error {
		text, err := w.file()
		if err == nil && strings.Contains(text, "server "+addr+";") != want {
			err = fmt.Errorf("it should be %t that nginx's file has the server %s", want, addr)
		}
		return err
	})
}

func (w *world) cleanup(f func() error) { w.cleanups = append(w.cleanups, f) }

// stop ends everything, the last first. A second call does nothing.
func (w *world) stop() error {
	var errs []error
	for _, f := range slices.Backward(w.cleanups) {
		errs = append(errs, f())
	}
	w.cleanups = nil
	return errors.Join(errs...)
}

// logs gives what ctmpl and nginx have to say when a step has failed.
func (w *world) logs() string {
	return fmt.Sprintf("\nctmpl said:\n%s\nnginx said:\n%s", w.ctmpl.said(), w.nginx.Log())
}
