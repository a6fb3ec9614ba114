package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"
	"golang.org/x/sync/errgroup"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// flapTemplate renders all services that flap, beside the one that does not.
const flapTemplate = `template {
  contents = <<EOT
{{ range services }}{{ if in .Tags "flap" }}{{ $name := .Name }}{{ with service .Name }}upstream {{ $name }} {
{{ range . }}  server {{ .Address }}:{{ .Port }};
{{ end }}}
{{ end }}{{ end }}{{ end }}
EOT
  destination = "DIR/conf.d/flap.conf"
  reload = "nginx"
}
min_reload_interval = "2s"
`

// flock is the services that flap: each with the ports of its instances, 0 for one
// that is not there.
type flock struct {
	client *api.Client
	names  bool // come and go
	mu     sync.Mutex
	ports  [][2]int
	made   int // changes
}

// flapping changes many services for a while, as fast as the agent takes it. With names,
// services come and go altogether.
func flapping(names bool) func(*trial) error {
	return func(t *trial) error {
		agent, err := t.agent(servers.ConsulOptions{})
		if err != nil {
			return err
		}
		f, span := &flock{client: agent.Client, names: names, ports: make([][2]int, 100)}, 3*time.Second
		if t.full {
			f.ports, span = make([][2]int, 1000), time.Minute
		}
		for i := range f.ports {
			if err := f.set(i, 0, 1+i); err != nil {
				return err
			}
		}
		f.made = 0
		w, err := t.follow(options{agent: agent, top: flapTemplate})
		if err != nil {
			return err
		}
		if err := w.flaps(f); err != nil {
			return err
		}
		if err := w.during(f, span); err != nil {
			return err
		}
		start := time.Now()
		if err := w.flaps(f); err != nil {
			return err
		}
		_, err = w.settled()
		t.note("end of it to all well %s; ctmpl's memory at most %d MB", short(time.Since(start)), w.daemon.peak()>>20)
		return err
	}
}

// during has the services flap. Meanwhile the one that does not changes now and then.
func (w *world) during(f *flock, span time.Duration) error {
	mark, start := w.daemon.log.mark(), time.Now()
	end := start.Add(span)
	var g errgroup.Group
	g.Go(func() error { return f.flap(end) })
	var took times
	for time.Now().Before(end) {
		before := time.Now()
		if err := w.next(""); err != nil {
			return errors.Join(err, g.Wait())
		}
		if err := w.wait(func() error { return w.shows(w.now) }); err != nil {
			return errors.Join(err, g.Wait())
		}
		took = append(took, time.Since(before))
	}
	if err := g.Wait(); err != nil {
		return err
	}
	text := w.daemon.log.since(mark)
	reloads, writes := strings.Count(text, "INF reloaded"), strings.Count(text, "INF wrote file="+w.path("conf.d/flap.conf"))
	if most := int(time.Since(start)/(2*time.Second)) + 2; reloads > most {
		return fmt.Errorf("%d reloads in %s, want at most %d", reloads, time.Since(start), most)
	}
	w.note("%d services, %d changes in %s", len(f.ports), f.made, short(span))
	w.note("%d reloads, %d of them with changes of these services", reloads, writes)
	w.note("a change of another template meanwhile live after %s", took)
	return nil
}

// flap makes changes.
func (f *flock) flap(end time.Time) error {
	var g errgroup.Group
	const workers = 4
	for worker := range workers {
		g.Go(func() error {
			for time.Now().Before(end) {
				i, instance, port := rand.IntN(len(f.ports)/workers)*workers+worker, rand.IntN(2), 1+rand.IntN(60000) // each has services of its own
				if (instance == 1 || f.names) && rand.IntN(3) == 0 {
					port = 0
				}
				if err := f.set(i, instance, port); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// set gives an instance of a service a port, or takes it away.
func (f *flock) set(i, instance, port int) error {
	f.mu.Lock()
	gone := f.ports[i][instance] == 0
	f.ports[i][instance] = port
	f.made++
	f.mu.Unlock()
	node, id := fmt.Sprintf("node-%d", i%100), fmt.Sprintf("flap-%04d-%d", i, instance)
	if port == 0 {
		if gone {
			return nil
		}
		_, err := f.client.Catalog().Deregister(&api.CatalogDeregistration{Node: node, ServiceID: id}, nil)
		return err
	}
	_, err := f.client.Catalog().Register(&api.CatalogRegistration{
		Node: node, Address: "127.0.0.1", Service: &api.AgentService{ID: id, Service: fmt.Sprintf("flap-%04d", i), Port: port, Tags: []string{"flap"}},
	}, nil)
	return err
}

// text is what is to be rendered.
func (f *flock) text() string {
	var b strings.Builder
	for i, ports := range f.ports {
		if ports == [2]int{} {
			continue
		}
		fmt.Fprintf(&b, "upstream flap-%04d {\n", i)
		for _, port := range ports {
			if port != 0 {
				fmt.Fprintf(&b, "  server 127.0.0.1:%d;\n", port)
			}
		}
		b.WriteString("}\n")
	}
	return b.String() + "\n"
}

// flaps waits until all services are rendered as they are.
func (w *world) flaps(f *flock) error {
	want := f.text()
	return w.wait(func() error { return same(w.path("conf.d/flap.conf"), want) })
}
