package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// world is every server of the story.
type world struct {
	// handwritten says that ctmpl renders nginx.conf.tmpl, by a command line that
	// consul-template has too. Else it runs with ctmpl.hcl.
	handwritten bool

	dir     string // of nginx and ctmpl
	conf    string // nginx's main file, which ctmpl writes
	ports   ports  // of nginx
	addr    string // where nginx listens for http
	cluster *servers.Cluster
	agent   *servers.Consul // the gateway's own: a client, as on a real node
	nginx   *servers.Nginx
	ctmpl   *daemon

	// fallbacks counts the answers that a container had to take from memory.
	fallbacks atomic.Int64

	cleanups []func() error // last one first
}

// newWorld starts Consul, nginx and ctmpl. Nothing is registered yet.
func newWorld(ctx context.Context, handwritten bool) (*world, error) {
	if err := installed(ctx); err != nil {
		return nil, err
	}
	w := &world{handwritten: handwritten}
	for _, start := range []func(context.Context) error{w.makeDir, w.startConsul, w.writeFiles, w.startNginx} {
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
	dir, err := os.MkdirTemp("", "ctmpl-gateway-")
	if err != nil {
		return err
	}
	w.cleanup(func() error { return os.RemoveAll(dir) })
	w.dir, w.conf = dir, filepath.Join(dir, "nginx.conf")
	return nil
}

func (w *world) startConsul(ctx context.Context) (err error) {
	// Each node has its own agent, and what runs there asks that one by DNS.
	if w.cluster, err = servers.StartCluster(ctx, 3, servers.ConsulOptions{DNS: true}); err != nil {
		return err
	}
	w.cleanup(w.cluster.Stop)
	w.agent, err = w.cluster.AddClient(ctx, servers.ConsulOptions{Node: "gateway"})
	return err
}

// startNginx lets ctmpl write the first configuration, starts nginx with it, and
// then ctmpl as it runs beside nginx from then on.
func (w *world) startNginx(ctx context.Context) error {
	binary, err := buildCtmpl(ctx, w.dir)
	if err != nil {
		return err
	}
	env := gatewayEnv(w.dir, w.addr)
	if err := runOnce(ctx, w.dir, binary, env, w.args("")...); err != nil {
		return err
	}
	if w.nginx, err = servers.StartNginx(ctx, w.dir, w.conf); err != nil {
		return err
	}
	w.cleanup(w.nginx.Stop)
	before := w.nginx.Workers()
	w.ctmpl, err = startDaemon(w.dir, binary, env, w.args(w.nginx.ReloadCommand())...)
	if err != nil {
		return err
	}
	w.cleanup(w.ctmpl.stop)
	if w.handwritten {
		return nil
	}
	return w.firstReload(ctx, before)
}

// firstReload waits for what ctmpl owes nginx: it could not reload it with -once, when
// nginx did not run. Else the workers of after that would pass for those of a step.
func (w *world) firstReload(ctx context.Context, before []int) error {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	ctx, release := w.ctmpl.bound(ctx)
	defer release()
	if err := w.replaced(ctx, before); err != nil {
		return fmt.Errorf("wait for the first reload: %w%s", err, w.logs())
	}
	return nil
}

// node gives the Consul server of that number, from 1, which is also the agent of
// the containers on its node.
func (w *world) node(n int) *servers.Consul { return w.cluster.Servers[n-1] }

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
	return fmt.Sprintf("\nctmpl said:\n%s\nnginx said:\n%s", w.ctmpl.tail(), w.nginx.Log())
}
