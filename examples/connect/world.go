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

	"github.com/ctmpl/ctmpl/internal/servers"
)

// files are those that a reader copies. The story uses them with other places.
//
//go:embed nginx.conf ctmpl.hcl split.conf.tmpl verified.conf.tmpl
var files embed.FS

// world is every server of the story.
type world struct {
	dir    string
	consul *servers.Consul
	nginx  *servers.Nginx
	ctmpl  *child

	forwarder *child

	// What web asks: where nginx listens.
	socat, verified, service2, split string

	cleanups []func() error // last one first
}

// newWorld starts Consul, nginx, the forwarder and ctmpl. Nothing is registered yet.
func newWorld(ctx context.Context) (*world, error) {
	if err := installed(ctx); err != nil {
		return nil, err
	}
	w := &world{}
	for _, start := range []func(context.Context) error{w.makeDir, w.startConsul, w.writeFiles, w.startNginx, w.startCtmpl} {
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

func (w *world) makeDir(ctx context.Context) (err error) {
	if w.dir, err = os.MkdirTemp("", "ctmpl-connect-"); err != nil {
		return err
	}
	w.cleanup(func() error { return os.RemoveAll(w.dir) })
	for _, dir := range []string{"http.d", "stream.d", "modules-enabled", "tls", "mesh"} {
		if err := os.MkdirAll(w.etc(dir), 0o755); err != nil {
			return err
		}
	}
	return build(ctx, w.dir)
}

// etc gives the path of what is in /etc/nginx elsewhere.
func (w *world) etc(name string) string { return filepath.Join(w.dir, "etc", name) }

func (w *world) startConsul(ctx context.Context) (err error) {
	if w.consul, err = servers.StartConsul(ctx, servers.ConsulOptions{}); err == nil {
		w.cleanup(w.consul.Stop)
	}
	return err
}

// ownNginx says which nginx is meant: more than one may run here.
const ownNginx = `nginx {
  config   = %q
  prefix   = %q
  pid_file = %q
}

vars { `

// writeFiles puts the files of the reader into the directory, with free ports.
func (w *world) writeFiles(ctx context.Context) error {
	ports, err := servers.FreePorts(4)
	if err != nil {
		return err
	}
	places := []string{
		"127.0.0.1:8500", w.consul.HTTPAddr, "/etc/nginx", w.etc(""), "/run/nginx.pid", filepath.Join(w.dir, "nginx.pid"),
		"/var/log/nginx", w.dir, "user www-data;\n", "", "user        = \"www-data\"", "",
		"worker_processes auto", "worker_processes 2", "geo $dollar", servers.HTTPTemp(w.dir) + "geo $dollar",
		"access_log /var/log/nginx/access.log;\n", "",
		"vars { ", fmt.Sprintf(ownNginx, w.etc("nginx.conf"), w.dir, filepath.Join(w.dir, "nginx.pid")),
	}
	for i, p := range []struct {
		here *string
		port string
	}{{&w.socat, "9191"}, {&w.verified, "9292"}, {&w.service2, "38082"}, {&w.split, "38083"}} {
		*p.here = net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[i]))
		places = append(places, "127.0.0.1:"+p.port, *p.here)
	}
	replacer := strings.NewReplacer(places...)
	for name, path := range map[string]string{
		"nginx.conf": w.etc("nginx.conf"), "ctmpl.hcl": "ctmpl.hcl", "split.conf.tmpl": "split.conf.tmpl", "verified.conf.tmpl": "verified.conf.tmpl",
	} {
		text, _ := files.ReadFile(name) // it is part of the program
		if !filepath.IsAbs(path) {
			path = filepath.Join(w.dir, path)
		}
		if err := os.WriteFile(path, []byte(replacer.Replace(string(text))), 0o644); err != nil {
			return err
		}
	}
	return w.loadStream(ctx)
}

// loadStream has nginx load the module, where it is one.
func (w *world) loadStream(ctx context.Context) error {
	found, err := servers.FindNginx(ctx)
	if err != nil || found.StreamModule == "" {
		return err
	}
	return os.WriteFile(w.etc("modules-enabled/stream.conf"), []byte("load_module "+found.StreamModule+";\n"), 0o644)
}

func (w *world) startNginx(ctx context.Context) (err error) {
	if w.nginx, err = servers.StartNginx(ctx, w.dir, w.etc("nginx.conf")); err == nil {
		w.cleanup(w.nginx.Stop)
	}
	return err
}

// startCtmpl starts it and the forwarder, as on a host where both run from then on.
func (w *world) startCtmpl(context.Context) (err error) {
	sockets := filepath.Join(w.dir, "run")
	w.forwarder, err = startChild(w.dir, "forwarder", filepath.Join(w.dir, "forwarder"),
		"-cert", w.etc("mesh/web.pem"), "-roots", w.etc("mesh/roots.pem"), "-sockets", sockets, w.etc("mesh/socat.routes"))
	if err != nil {
		return err
	}
	w.cleanup(w.forwarder.stop)
	w.ctmpl, err = startChild(w.dir, "ctmpl", filepath.Join(w.dir, "ctmpl"), "-config", "ctmpl.hcl",
		"-var", "tls_dir="+w.etc("tls"), "-var", "mesh_dir="+w.etc("mesh"), "-var", "sockets="+sockets)
	if err != nil {
		return err
	}
	w.cleanup(w.ctmpl.stop)
	return nil
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

// logs gives what all have to say when a step has failed.
func (w *world) logs() string {
	log := w.nginx.Log()
	return fmt.Sprintf("\nctmpl said:\n%s\nthe forwarder said:\n%s\nnginx said:\n%s", w.ctmpl.tail(), w.forwarder.tail(), log[max(0, len(log)-4000):])
}
