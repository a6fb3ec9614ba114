package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// options say what a world is like.
type options struct {
	agent   *servers.Consul    // the source; nil: a catalog file
	addr    string             // where ctmpl asks the agent, when not there
	consul  string             // more of the block consul
	two     bool               // two files, in a group
	fresh   bool               // one file more, which is not there at first
	rollout string             // of the template or group; reload = "nginx" when empty
	top     string             // more configuration, on the top level
	main    string             // more of nginx's main file, in the block http
	before  func(*world) error // once there are directories, and nothing runs yet
}

// world is an nginx with a ctmpl that renders its configuration, a source, and
// somebody who sends requests. The word DIR in configuration stands for its directory.
type world struct {
	*trial
	dir      string
	port     int // of nginx
	source   source
	now      state // what the source says
	backends []*servers.HTTPBackend
	nginx    *servers.Nginx
	load     *servers.Load
	daemon   *daemon
	two      bool
	fresh    bool
}

// patience is how long we wait for something that has to happen.
const patience = 60 * time.Second

// world makes one: nginx serves, ctmpl does not run yet.
func (t *trial) world(o options) (w *world, err error) {
	w = &world{trial: t, two: o.two, fresh: o.fresh}
	if w.dir, err = os.MkdirTemp("", "ctmpl-world-"); err != nil {
		return nil, err
	}
	t.later(func() error { return os.RemoveAll(w.dir) })
	t.worlds = append(t.worlds, w)
	for _, dir := range []string{"conf.d", "state", "tmp"} {
		if err := os.Mkdir(w.path(dir), 0o755); err != nil {
			return nil, err
		}
	}
	if o.before != nil {
		if err := o.before(w); err != nil {
			return nil, err
		}
	}
	if err := w.begin(); err != nil {
		return nil, err
	}
	w.source = catalogFile(w.path("catalog.hcl"))
	if o.agent != nil {
		w.source = &agentSource{agent: o.agent, addr: cmp.Or(o.addr, o.agent.HTTPAddr), more: o.consul}
	}
	if err := w.next(""); err != nil {
		return nil, err
	}
	if err := w.write(o); err != nil {
		return nil, err
	}
	return w, w.serve()
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

// live is the destination, and pair that of the other file of a group.
func (w *world) live() string { return w.path("conf.d/upstreams.conf") }
func (w *world) pair() string { return w.path("conf.d/second.conf") }

// third is the destination that is not there at first.
func (w *world) third() string { return w.path("conf.d/third.conf") }

// begin starts the backends.
func (w *world) begin() error {
	for i := range 3 {
		b, err := servers.StartHTTPBackend(fmt.Sprintf("backend-%d", i))
		if err != nil {
			return err
		}
		w.later(b.Stop)
		w.backends = append(w.backends, b)
	}
	return nil
}

// next makes the catalog say something new: other backends, a new revision, and a piece
// of configuration.
func (w *world) next(extra string) error {
	s := state{rev: w.now.rev + 1, extra: extra}
	for i := range 2 {
		s.ports = append(s.ports, w.backends[(s.rev+i)%len(w.backends)].Port)
	}
	return w.say(s)
}

// inject makes it say a new revision with a piece of configuration, and nothing else, so
// that there is no state in between.
func (w *world) inject(extra string) error {
	s := w.now
	s.rev, s.extra = s.rev+1, extra
	return w.say(s)
}

func (w *world) say(s state) error {
	err := w.source.say(w.now, s)
	w.now = s
	return err
}

// write writes the configuration of nginx, with what is live at the start, and of ctmpl.
func (w *world) write(o options) error {
	second := "map $host $second { default \"\"; }\n"
	if w.two {
		second = w.now.second()
	}
	in := func(text string) string { return strings.ReplaceAll(text, "DIR/", w.dir+"/") }
	var err error
	if w.port, err = servers.FreePort(); err != nil {
		return err
	}
	for name, text := range map[string]string{
		"nginx.conf":            fmt.Sprintf(nginxConf, w.dir, servers.HTTPTemp(w.dir), w.dir, w.port, in(o.main)),
		"conf.d/upstreams.conf": w.now.file(), "conf.d/second.conf": second,
		"upstreams.conf.tmpl": template, "second.conf.tmpl": secondTemplate,
		"ctmpl.hcl": in(w.configuration(o)),
	} {
		if err := os.WriteFile(w.path(name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// nginxConf is the main file: what is included gives the upstream and what /revision
// answers.
const nginxConf = `worker_processes 2;
pid %s/nginx.pid;
events { worker_connections 512; }
http {
%s
map_hash_bucket_size 128;
include %s/conf.d/*.conf;
server {
  listen 127.0.0.1:%d;
  location / { proxy_pass http://web; proxy_next_upstream off; }
  location = /revision { return 200 "$revision$second"; }
}
%s
}
`

func (w *world) configuration(o options) string {
	rollout := cmp.Or(o.rollout, `reload = "nginx"`)
	var b strings.Builder
	b.WriteString(w.source.setting())
	fmt.Fprintf(&b, "state_dir = \"DIR/state\"\nnginx {\n  config = \"DIR/nginx.conf\"\n  pid_file = \"DIR/nginx.pid\"\n}\n%s\n", o.top)
	files := []string{"upstreams"}
	if w.two {
		fmt.Fprintf(&b, "group \"edge\" {\n%s\n}\n", rollout)
		rollout, files = `group = "edge"`, append(files, "second")
	}
	for _, name := range files {
		fmt.Fprintf(&b, "template {\n  source = \"DIR/%s.conf.tmpl\"\n  destination = \"DIR/conf.d/%s.conf\"\n  %s\n}\n", name, name, rollout)
	}
	if w.fresh {
		fmt.Fprintf(&b, "template {\n  contents = \"%s\"\n  destination = \"DIR/conf.d/third.conf\"\n  %s\n}\n", thirdTemplate, rollout)
	}
	return b.String()
}

// serve starts nginx and the requests.
func (w *world) serve() (err error) {
	if w.nginx, err = servers.StartNginx(w.ctx, w.dir, w.path("nginx.conf")); err != nil {
		return err
	}
	w.later(w.nginx.Stop)
	w.load = servers.StartLoad(servers.LoadOptions{Addr: fmt.Sprintf("127.0.0.1:%d", w.port), Pause: 4 * time.Millisecond, Timeout: 20 * time.Second})
	w.later(func() error {
		w.load.Stop()
		w.tally(false)
		return nil
	})
	w.later(w.end)
	return nil
}

// tally counts the requests since the last time. Those that failed while nginx was
// down are excused.
func (w *world) tally(excused bool) {
	r := w.load.Take()
	w.sent += r.Requests
	if excused {
		w.excused += r.Failures
		return
	}
	if w.failed += r.Failures; w.first == nil && r.Failures > 0 {
		w.first = r.Errors[0]
	}
}

// excuse does something during which nginx is down.
func (w *world) excuse(f func() error) error {
	w.tally(false)
	defer w.tally(true)
	return f()
}

// wait waits for something that has to happen.
func (w *world) wait(f func() error) error {
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	return servers.Wait(ctx, f)
}

// story is what the log of ctmpl and that of nginx have last.
func (w *world) story() string {
	var b strings.Builder
	if w.daemon != nil {
		fmt.Fprintf(&b, "end of ctmpl's log:\n%s", w.daemon.log.since(0))
	}
	if w.nginx != nil {
		text := w.nginx.Log()
		fmt.Fprintf(&b, "end of nginx's log:\n%s", text[max(0, len(text)-2000):])
	}
	return b.String()
}

// end ends ctmpl at the end of the trial.
func (w *world) end() error {
	if w.daemon == nil {
		return nil
	}
	return errors.Join(w.daemon.stop(), w.daemon.complaints())
}
