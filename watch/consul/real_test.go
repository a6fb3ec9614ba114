package consul_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/internal/servers"
	"github.com/ctmpl/ctmpl/watch"
	"github.com/ctmpl/ctmpl/watch/consul"
)

// budget is the default number of connections.
const budget = 160

// The parts of Consul that answer a first and a blocking query are not the same, and
// write some things in another way. That must not look like a change.
func TestFirstAndBlockingAnswersAreEqual(t *testing.T) {
	t.Parallel()
	agent := servers.RunConsul(t, servers.ConsulOptions{})
	for _, s := range []*api.AgentServiceRegistration{
		{Name: "plain"},
		{Name: "empty", Meta: map[string]string{}, Tags: []string{}, TaggedAddresses: map[string]api.ServiceAddress{}},
		{Name: "full", ID: "full-1", Port: 80, Address: "10.0.0.1", Tags: []string{"b", "a"}, Meta: map[string]string{"k": "v"}, Weights: &api.AgentWeights{Passing: 3, Warning: 2},
			TaggedAddresses: map[string]api.ServiceAddress{"x": {Address: "10.0.0.2", Port: 1}}, Checks: api.AgentServiceChecks{
				{TTL: "1h", Status: "passing", Notes: "n"},
				{HTTP: "http://127.0.0.1:1/", Interval: "1h", Timeout: "1s", Status: "passing", Header: map[string][]string{"X": {"y"}}, DeregisterCriticalServiceAfter: "24h"},
				{TCP: "127.0.0.1:1", Interval: "1h", Status: "warning"},
			}},
		{Name: "side", Port: 80, Connect: &api.AgentServiceConnect{SidecarService: &api.AgentServiceRegistration{}}},
	} {
		if err := agent.Client.Agent().ServiceRegister(s); err != nil {
			t.Fatal(err)
		}
	}
	src := newSource(t, consul.Config{Address: agent.HTTPAddr, MaxStale: 2 * time.Second, Connections: 20})
	list := func(a watch.Answer) []*watch.ServiceInstance { return a.Value.([]*watch.ServiceInstance) }
	for _, name := range []string{"plain", "empty", "full", "side", "side-sidecar-proxy", "consul", "nope"} {
		q := service(name + "|any")
		servers.Eventually(t, deadline, func() error {
			if answer := fetch(t, src, q, 0, 0); name != "nope" && len(list(answer)) == 0 {
				return errors.New(name + " is not in the catalog yet")
			}
			return nil
		})
		// The agent may still be writing: what counts is that it settles.
		servers.Eventually(t, deadline, func() error {
			first := fetch(t, src, q, 0, 0)
			blocking := fetch(t, src, q, max(first.Version, 1), 50*time.Millisecond)
			if diff := cmp.Diff(list(first), list(blocking)); diff != "" {
				return fmt.Errorf("%s (-first +blocking)\n%s", name, diff)
			}
			return nil
		})
	}
}

// problems is a slog.Handler that keeps warnings and errors.
type problems struct {
	mu    sync.Mutex
	lines []string
}

func (p *problems) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }
func (p *problems) WithAttrs([]slog.Attr) slog.Handler               { return p }
func (p *problems) WithGroup(string) slog.Handler                    { return p }

func (p *problems) Handle(_ context.Context, r slog.Record) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	line := r.Message
	r.Attrs(func(a slog.Attr) bool { line += " " + a.String(); return true })
	p.lines = append(p.lines, line)
	return nil
}

// connections gives the local ends of the established connections from 127.0.0.1 to
// a port there, as the kernel has them.
func connections(port int) (map[string]bool, error) {
	f, err := os.Open("/proc/net/tcp")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	const localhost, established = "0100007F:", "01"
	remote := localhost + fmt.Sprintf("%04X", port)
	found := map[string]bool{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) > 3 && fields[2] == remote && fields[3] == established && strings.HasPrefix(fields[1], localhost) {
			found[fields[1]] = true
		}
	}
	return found, nil
}

// other is a client whose connections come from another address, so that they are
// not counted.
func other(t *testing.T, addr string) *api.Client {
	t.Helper()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	client, err := api.NewClient(&api.Config{Address: addr, Scheme: "http", HttpClient: &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext}}})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// TestThousandsOfQueries watches far more services and keys than an agent allows
// connections. consul-template does not get past 200 of them.
func TestThousandsOfQueries(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("counts the connections in /proc/net/tcp")
	}
	agent := servers.RunConsul(t, servers.ConsulOptions{})
	w := newWatched(t, agent)
	const existing = 20
	for i := range existing {
		w.put(i, "first")
		w.register(i, 1)
	}
	w.start()

	w.eventually("the first answers", time.Minute, func() error {
		for i := range w.services {
			if _, ok := w.get(w.services[i]); !ok {
				return fmt.Errorf("%s has no answer", w.services[i])
			}
			if _, ok := w.get(w.keys[i]); !ok {
				return fmt.Errorf("%s has no answer", w.keys[i])
			}
		}
		return nil
	})
	for i := range 2 * existing { // changed ones, and new ones
		w.put(i, "second")
		w.register(i, 2)
	}
	w.eventually("the changes", time.Minute, func() error { return w.check(2*existing, "second", 2) })

	// One more is answered at once, though all connections are in use.
	added := lookup("one/more")
	w.wanted.Add(added)
	w.scheduler.Want(w.wanted)
	w.eventually("the answer to a new query", 30*time.Second, func() error {
		if _, ok := w.get(added); !ok {
			return errors.New("none yet")
		}
		return nil
	})
	w.finish()
}

// watched is a scheduler with thousands of queries on a real agent.
type watched struct {
	t         *testing.T
	client    *api.Client
	port      int
	store     *watch.Store
	scheduler *watch.Scheduler
	log       *problems
	services  []watch.Query
	keys      []watch.Query
	wanted    watch.Set
	cancel    context.CancelFunc
	group     sync.WaitGroup
	idle      map[string]bool // connections of before
	most      int
	samples   int
}

func newWatched(t *testing.T, agent *servers.Consul) *watched {
	t.Helper()
	_, port, _ := net.SplitHostPort(agent.HTTPAddr)
	w := &watched{t: t, client: other(t, agent.HTTPAddr), store: watch.NewStore(), log: &problems{}, wanted: watch.Set{}}
	w.port, _ = strconv.Atoi(port)
	src := newSource(t, consul.Config{Address: agent.HTTPAddr, MaxStale: 2 * time.Second, Connections: budget})
	w.scheduler = watch.NewScheduler(src, w.store, watch.Options{Name: "Consul", Log: slog.New(w.log)})
	for i := range 2500 {
		w.services = append(w.services, service(fmt.Sprintf("service-%d|any", i)))
		w.keys = append(w.keys, lookup(fmt.Sprintf("key/%d", i)))
		w.wanted.Add(w.services[i])
		w.wanted.Add(w.keys[i])
	}
	return w
}

// start begins to watch, and to count.
func (w *watched) start() {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	w.cancel = cancel
	w.t.Cleanup(func() { cancel(); w.group.Wait() })
	var err error
	if w.idle, err = connections(w.port); err != nil {
		w.t.Fatal(err)
	}
	w.scheduler.Want(w.wanted)
	w.group.Go(func() {
		if err := w.scheduler.Run(ctx); err != nil {
			w.t.Error(err)
		}
	})
	w.group.Go(func() { w.count(ctx) })
}

// count looks at the connections all the time.
func (w *watched) count(ctx context.Context) {
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		found, err := connections(w.port)
		if err != nil {
			w.t.Error(err)
			return
		}
		n := 0
		for end := range found {
			if !w.idle[end] {
				n++
			}
		}
		w.most = max(w.most, n)
		w.samples++
	}
}

// finish stops, and checks what was seen.
func (w *watched) finish() {
	w.t.Helper()
	w.cancel()
	w.group.Wait()
	if w.most > budget {
		w.t.Errorf("%d connections at once, want up to %d", w.most, budget)
	}
	if len(w.log.lines) > 0 {
		w.t.Errorf("%d problems, the first: %s", len(w.log.lines), w.log.lines[0])
	}
	w.t.Logf("up to %d connections in %d samples", w.most, w.samples)
}

func (w *watched) get(q watch.Query) (any, bool) {
	v, _, ok := w.store.Get(q)
	return v, ok
}

func (w *watched) put(i int, value string) {
	w.t.Helper()
	if _, err := w.client.KV().Put(&api.KVPair{Key: w.keys[i].Name, Value: []byte(value)}, nil); err != nil {
		w.t.Fatal(err)
	}
}

func (w *watched) register(i, port int) {
	w.t.Helper()
	_, err := w.client.Catalog().Register(&api.CatalogRegistration{
		Node: fmt.Sprintf("node-%d", i%50), Address: "10.0.0.1", SkipNodeUpdate: true,
		Service: &api.AgentService{ID: w.services[i].Name, Service: w.services[i].Name, Port: port},
	}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
}

// check tells whether the store has n keys and services as they are now.
func (w *watched) check(n int, value string, port int) error {
	for i := range n {
		if v, _ := w.get(w.keys[i]); v != (watch.Lookup{Found: true, Value: value}) {
			return fmt.Errorf("%s is %v", w.keys[i], v)
		}
		v, _ := w.get(w.services[i])
		if list, _ := v.([]*watch.ServiceInstance); len(list) != 1 || list[0].Port != port {
			return fmt.Errorf("%s has %d instances", w.services[i], len(list))
		}
	}
	return nil
}

func (w *watched) eventually(what string, limit time.Duration, f func() error) {
	w.t.Helper()
	start := time.Now()
	servers.Eventually(w.t, limit, f)
	w.t.Logf("%s: after %s", what, time.Since(start).Round(time.Millisecond))
}
