package consul_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/internal/servers"
	"github.com/ctmpl/ctmpl/watch"
	"github.com/ctmpl/ctmpl/watch/consul"
)

// TestSentinelsNoticeEverything does random things to a catalog, and compares what the store has
// with the answers to questions of somebody else.
func TestSentinelsNoticeEverything(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ nodes, racks, connections, details int }{
		{12, 0, 40, 1}, {200, 0, 40, 0}, // fewer than services, and more
		{200, 0, 40, 1},                  // which are asked all the same
		{30, 6, 100, 1}, {60, 6, 100, 0}, // in groups
	} {
		t.Run(fmt.Sprint(c.nodes, " nodes in ", c.racks, " racks, ", c.details, " asked for"), func(t *testing.T) {
			t.Parallel()
			agent := servers.RunConsul(t, servers.ConsulOptions{})
			w := newWorld(t, agent, c.nodes, c.racks, c.details)
			w.watch(c.connections)
			w.same("at first")
			for round := range 6 {
				for range 20 {
					w.change()
				}
				w.same(fmt.Sprint("round ", round))
			}
			if err := agent.RestartFresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.fill()
			w.same("after Consul began anew")
			w.change()
			w.same("after a change to that")
			w.log.mu.Lock()
			defer w.log.mu.Unlock()
			for _, line := range w.log.lines {
				if strings.Contains(line, "missed") {
					t.Error(line)
				}
			}
		})
	}
}

// world is a catalog that changes, and whoever watches it.
type world struct {
	t       *testing.T
	client  *api.Client
	rand    *rand.Rand
	nodes   int
	racks   int            // by which nodes are grouped, 0 for none
	others  *consul.Source // asks anew
	addr    string
	store   *watch.Store
	queries []watch.Query
	log     *problems
	done    []string // changes
}

const worldServices = 40

func newWorld(t *testing.T, agent *servers.Consul, nodes, racks, details int) *world {
	w := &world{
		t: t, client: agent.Client, addr: agent.HTTPAddr, rand: rand.New(rand.NewPCG(uint64(nodes), 1)), nodes: nodes, racks: racks,
		others: newSource(t, consul.Config{Address: agent.HTTPAddr, Connections: 8}), store: watch.NewStore(), log: &problems{},
	}
	w.fill()
	w.queries = []watch.Query{{Kind: watch.KindServices}, {Kind: watch.KindNodes}}
	for i := range details {
		w.queries = append(w.queries, watch.Query{Kind: watch.KindNode, Name: w.node(3 + i)})
	}
	for i := range worldServices {
		w.queries = append(w.queries, service(fmt.Sprintf("s%d", i)), service(fmt.Sprintf("s%d|any", i)), service(fmt.Sprintf("blue.s%d", i)))
		w.queries = append(w.queries, watch.Query{Kind: watch.KindLookup, Name: fmt.Sprintf("app/k%d", i)}, watch.Query{Kind: watch.KindLookup, Name: fmt.Sprintf("app/sub/k%d/x", i)})
	}
	return w
}

// fill makes the catalog.
func (w *world) fill() {
	for i := range w.nodes * min(1, w.racks) {
		w.put1(&api.CatalogRegistration{Node: w.node(i), Address: "10.0.0.1", NodeMeta: map[string]string{"rack": fmt.Sprint(i % w.racks)}})
	}
	for i := range worldServices {
		for j := range 2 {
			w.register(i, j)
		}
	}
	for range 10 {
		w.put()
	}
}

// watch has a scheduler with few connections ask.
func (w *world) watch(connections int) {
	src := newSource(w.t, consul.Config{Address: w.addr, MaxStale: 2 * time.Second, Connections: connections})
	src.SetPatrol(time.Second)
	s := watch.NewScheduler(src, w.store, watch.Options{Name: "Consul", Log: slog.New(w.log)})
	set := watch.Set{}
	for _, q := range w.queries {
		set.Add(q)
	}
	s.Want(set)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		<-ended
	})
}

// same waits until the store has what there is.
func (w *world) same(when string) {
	w.t.Helper()
	for _, q := range w.queries {
		servers.Eventually(w.t, 40*time.Second, func() error {
			answer, err := w.others.Fetch(w.t.Context(), q, 0, 0)
			if err != nil {
				return err
			}
			have, _, _ := w.store.Get(q)
			if diff := cmp.Diff(have, answer.Value); diff != "" {
				return fmt.Errorf("%s: %s (-have +want)\n%s\nafter %q", when, q, diff, w.done)
			}
			return nil
		})
	}
	w.done = nil
}

func (w *world) node(i int) string { return fmt.Sprintf("n%d", i%w.nodes) }

// register makes an instance what it may not have been.
func (w *world) register(service, index int) {
	tags := [][]string{nil, {"blue"}, {"blue", "green"}}[w.rand.IntN(3)]
	w.put1(&api.CatalogRegistration{
		Node: w.node(service*7 + index), Address: "10.0.0.1", SkipNodeUpdate: true,
		Service: &api.AgentService{ID: fmt.Sprintf("s%d-%d", service, index), Service: fmt.Sprintf("s%d", service), Port: 1 + w.rand.IntN(9999), Tags: tags,
			Meta: map[string]string{"v": fmt.Sprint(w.rand.IntN(9))}},
	})
}

func (w *world) put1(r *api.CatalogRegistration) {
	w.t.Helper()
	if _, err := w.client.Catalog().Register(r, nil); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) put() {
	name := fmt.Sprintf("app/k%d", w.rand.IntN(worldServices))
	if w.rand.IntN(2) == 0 {
		name = fmt.Sprintf("app/sub/k%d/x", w.rand.IntN(worldServices))
	}
	if _, err := w.client.KV().Put(&api.KVPair{Key: name, Value: []byte(fmt.Sprint(w.rand.IntN(1000)))}, nil); err != nil {
		w.t.Fatal(err)
	}
}

// change does one random thing.
func (w *world) change() {
	service, index := w.rand.IntN(worldServices), w.rand.IntN(3)
	node, id := w.node(service*7+index), fmt.Sprintf("s%d-%d", service, index)
	status := []string{"passing", "warning", "critical"}[w.rand.IntN(3)]
	var what string
	switch w.rand.IntN(10) {
	case 0, 1, 2:
		what = "register " + id
		w.register(service, index)
	case 3:
		what = "deregister " + id
		_, _ = w.client.Catalog().Deregister(&api.CatalogDeregistration{Node: node, ServiceID: id}, nil)
	case 4:
		what = "check " + status + " of " + id
		w.register(service, index)
		w.put1(&api.CatalogRegistration{Node: node, Address: "10.0.0.1", SkipNodeUpdate: true,
			Check: &api.AgentCheck{Node: node, CheckID: "c-" + id, ServiceID: id, Status: status, Output: fmt.Sprint(w.rand.IntN(9))}})
	case 5:
		what = "check " + status + " of " + node
		w.put1(&api.CatalogRegistration{Node: node, Address: "10.0.0.1", SkipNodeUpdate: true, Check: &api.AgentCheck{Node: node, CheckID: "host", Status: status}})
	case 6:
		what = "address of " + node
		w.put1(&api.CatalogRegistration{Node: node, Address: fmt.Sprintf("10.0.1.%d", w.rand.IntN(200)), NodeMeta: map[string]string{"m": fmt.Sprint(w.rand.IntN(9))}})
	case 7:
		what = "no more " + node
		_, _ = w.client.Catalog().Deregister(&api.CatalogDeregistration{Node: node}, nil)
	case 8:
		what = "key"
		w.put()
	case 9:
		what = "no more keys"
		_, _ = w.client.KV().Delete(fmt.Sprintf("app/k%d", service), nil)
		_, _ = w.client.KV().DeleteTree(fmt.Sprintf("app/sub/k%d/", index), nil)
	}
	w.done = append(w.done, what)
}
