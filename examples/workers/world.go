package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// The story goes through its times faster than ctmpl.hcl and the worker do by default: ten
// times, but for the check, which Consul runs once a second at most.
const (
	updateTime = time.Second     // 10 s
	staleTime  = 3 * time.Second // 30 s
	reloadTime = time.Second     // 10 s: min_reload_interval
	checkTime  = time.Second     // 5 s
)

// files are what ctmpl is given, so that the program runs from any directory of the
// repository.
//
//go:embed ctmpl.hcl workers.conf.tmpl
var files embed.FS

// host is what clients ask for.
const host = "worker.example.com"

// world is every server of the story but the workers.
type world struct {
	dir    string // of nginx, ctmpl and the workers
	conf   string // the file that ctmpl writes
	addr   string // where nginx listens
	worker string // path of the program
	consul *servers.Consul
	nginx  *servers.Nginx
	ctmpl  *child

	cleanups []func() error // last one first
}

// newWorld starts Consul, nginx and ctmpl. There is no worker yet.
func newWorld(ctx context.Context) (*world, error) {
	if err := installed(ctx); err != nil {
		return nil, err
	}
	w := &world{}
	for _, start := range []func(context.Context) error{w.makeDir, w.startConsul, w.startNginx, w.startCtmpl} {
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

func (w *world) makeDir(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "ctmpl-workers-")
	if err != nil {
		return err
	}
	w.cleanup(func() error { return os.RemoveAll(dir) })
	w.dir, w.conf = dir, filepath.Join(dir, "conf.d", "workers.conf")
	if err := os.Mkdir(filepath.Dir(w.conf), 0o755); err != nil {
		return err
	}
	w.worker, err = build(ctx, dir, "examples/workers/worker")
	return err
}

func (w *world) startConsul(ctx context.Context) (err error) {
	if w.consul, err = servers.StartConsul(ctx, servers.ConsulOptions{}); err == nil {
		w.cleanup(w.consul.Stop)
	}
	return err
}

// startNginx starts nginx with a main file that includes what ctmpl will write. Its log
// tells of each reload.
func (w *world) startNginx(ctx context.Context) error {
	main := filepath.Join(w.dir, "nginx.conf")
	text := fmt.Sprintf("worker_processes 2;\nerror_log %s/error.log notice;\nevents {}\nhttp {\n%sinclude %s;\n}\n",
		w.dir, servers.HTTPTemp(w.dir), filepath.Join(filepath.Dir(w.conf), "*.conf"))
	err := os.WriteFile(main, []byte(text), 0o644)
	if err != nil {
		return err
	}
	if w.nginx, err = servers.StartNginx(ctx, w.dir, main); err == nil {
		w.cleanup(w.nginx.Stop)
	}
	return err
}

func (w *world) startCtmpl(ctx context.Context) error {
	port, err := servers.FreePort()
	if err != nil {
		return err
	}
	w.addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	if err := w.copyFiles(); err != nil {
		return err
	}
	binary, err := build(ctx, w.dir, "cmd/ctmpl")
	if err != nil {
		return err
	}
	w.ctmpl, err = startChild(w.dir, "ctmpl", binary,
		"-config", "ctmpl.hcl", "-config", "nginx.hcl", "-consul-addr", w.consul.HTTPAddr, "-state-dir", filepath.Join(w.dir, "state"),
		"-var", "address=127.0.0.1", "-var", "port="+strconv.Itoa(port), "-var", fmt.Sprintf("stale=%g", staleTime.Seconds()))
	if err != nil {
		return err
	}
	w.cleanup(w.ctmpl.stop)
	return servers.Wait(ctx, func() error {
		if _, err := servers.Get(ctx, w.site()); err == nil || !strings.Contains(err.Error(), "502") {
			return fmt.Errorf("nginx should answer 502 as long as there is no worker, and the error is %v", err)
		}
		return nil
	})
}

// copyFiles gives ctmpl its files, with where nginx is, and the times of the story.
func (w *world) copyFiles() error {
	hcl, err := files.ReadFile("ctmpl.hcl")
	if err != nil {
		return err
	}
	template, err := files.ReadFile("workers.conf.tmpl")
	if err != nil {
		return err
	}
	local := strings.NewReplacer("/etc/nginx/conf.d/workers.conf", w.conf,
		`min_reload_interval = "10s"`, fmt.Sprintf("min_reload_interval = %q", reloadTime)).Replace(string(hcl))
	nginx := fmt.Sprintf("nginx {\n  config = %q\n  prefix = %q\n  pid_file = %q\n}\n", w.nginx.Conf, w.dir, filepath.Join(w.dir, "nginx.pid"))
	for name, text := range map[string]string{"ctmpl.hcl": local, "workers.conf.tmpl": string(template), "nginx.hcl": nginx} {
		if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// site is how clients ask nginx.
func (w *world) site() servers.LoadOptions {
	return servers.LoadOptions{Addr: w.addr, Host: host, Workers: 4}
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
	tail := func(text string) string { return text[max(0, len(text)-4096):] }
	return fmt.Sprintf("\nctmpl said:\n%s\nnginx said:\n%s", tail(w.ctmpl.said()), tail(w.nginx.Log()))
}
