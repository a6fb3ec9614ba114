package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// config and ownTemplate are files of this directory, so that the program runs from any
// directory of the repository.
var (
	//go:embed ctmpl.hcl
	config string
	//go:embed own.conf.tmpl
	ownTemplate []byte
)

// world is every server of the story but those of the shop.
type world struct {
	dir    string // of nginx and ctmpl
	conf   string // nginx's main file, which ctmpl writes
	addr   string // where nginx listens
	binary string // ctmpl
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
	dir, err := os.MkdirTemp("", "ctmpl-canary-")
	if err != nil {
		return err
	}
	w.cleanup(func() error { return os.RemoveAll(dir) })
	w.dir, w.conf = dir, filepath.Join(dir, "nginx.conf")
	here := fmt.Sprintf("nginx {\n  config = %q\n  prefix = %q\n  pid_file = %q\n}\n", w.conf, dir, filepath.Join(dir, "nginx.pid"))
	return errors.Join(
		os.Mkdir(filepath.Join(dir, "tmp"), 0o755),
		os.WriteFile(filepath.Join(dir, "ctmpl.hcl"), []byte(strings.ReplaceAll(config, "/etc/nginx/nginx.conf", w.conf)), 0o644),
		os.WriteFile(filepath.Join(dir, "nginx.hcl"), []byte(here), 0o644),
		os.WriteFile(filepath.Join(dir, "own.conf.tmpl"), ownTemplate, 0o644),
	)
}

func (w *world) startConsul(ctx context.Context) (err error) {
	if w.consul, err = servers.StartConsul(ctx, servers.ConsulOptions{}); err == nil {
		w.cleanup(w.consul.Stop)
	}
	return err
}

// startNginx lets ctmpl write the first configuration, starts nginx with it, and then
// ctmpl as it runs beside nginx from then on.
func (w *world) startNginx(ctx context.Context) (err error) {
	if w.binary, err = buildCtmpl(ctx, w.dir); err != nil {
		return err
	}
	args, err := w.args()
	if err != nil {
		return err
	}
	if _, err := runOnce(ctx, w.binary, args...); err != nil {
		return err
	}
	if w.nginx, err = servers.StartNginx(ctx, w.dir, w.conf); err != nil {
		return err
	}
	w.cleanup(w.nginx.Stop)
	if w.ctmpl, err = startDaemon(w.dir, w.binary, args); err != nil {
		return err
	}
	w.cleanup(w.ctmpl.stop)
	return w.started(ctx)
}

// started waits for the reload that ctmpl begins with: it cannot know what nginx has.
func (w *world) started(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	ctx, release := w.ctmpl.bound(ctx)
	defer release()
	return servers.Wait(ctx, func() error {
		if !strings.Contains(w.ctmpl.said(), " reloaded ") {
			return fmt.Errorf("ctmpl has not reloaded nginx:\n%s", w.ctmpl.said())
		}
		return nil
	})
}

// args are those of ctmpl: what ctmpl.hcl has for everybody, where Consul and nginx are,
// and variables, so that nginx listens on free ports, keeps its files in the directory and
// does not need root.
func (w *world) args() ([]string, error) {
	ports, err := servers.FreePorts(4)
	if err != nil {
		return nil, err
	}
	w.addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[0]))
	args := []string{
		"-config", filepath.Join(w.dir, "ctmpl.hcl"), "-config", filepath.Join(w.dir, "nginx.hcl"),
		"-consul-addr", w.consul.HTTPAddr, "-state-dir", w.stateDir(),
		"-var", "address=127.0.0.1", "-var", "user=", "-var", "modules=", "-var", "open_files=", "-var", "temp_dir=" + filepath.Join(w.dir, "tmp"),
	}
	for i, name := range []string{"http_listen", "https_listen", "grpc_listen", "tls_listen"} {
		args = append(args, "-var", fmt.Sprintf("%s=%d", name, ports[i]))
	}
	for name, file := range map[string]string{"pid": "nginx.pid", "error_log": "error.log", "access_log": "access.log"} {
		args = append(args, "-var", name+"="+filepath.Join(w.dir, file))
	}
	return args, nil
}

// stateDir is where ctmpl keeps its state.
func (w *world) stateDir() string { return filepath.Join(w.dir, "state") }

// status gives what ctmpl status says.
func (w *world) status(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, w.binary, "status", "-state-dir", w.stateDir()).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("ctmpl status: %w\n%s", err, out)
	}
	return string(out), err
}

// startOwn starts another nginx, from the template that somebody has written by hand, and
// gives its address.
func (w *world) startOwn(ctx context.Context) (*servers.Nginx, string, error) {
	port, err := servers.FreePort()
	if err != nil {
		return nil, "", err
	}
	dir, addr := filepath.Join(w.dir, "own"), net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, "", err
	}
	conf := filepath.Join(dir, "nginx.conf")
	_, err = runOnce(ctx, w.binary, "-consul-addr", w.consul.HTTPAddr, "-state-dir", "none", "-var", "canary_by=cookie user", "-var", "listen="+addr,
		"-template", filepath.Join(w.dir, "own.conf.tmpl")+":"+conf)
	if err != nil {
		return nil, "", err
	}
	text, err := os.ReadFile(conf)
	if err != nil {
		return nil, "", err
	}
	local := strings.Replace(string(text), "http {", "http {\naccess_log off;\n"+servers.HTTPTemp(dir), 1)
	if err := os.WriteFile(conf, []byte(local), 0o644); err != nil {
		return nil, "", err
	}
	nginx, err := servers.StartNginx(ctx, dir, conf)
	return nginx, addr, err
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
