package consul_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/internal/servers"
	"github.com/ctmpl/ctmpl/watch"
	"github.com/ctmpl/ctmpl/watch/consul"
)

// waiting is a source that counts the queries that wait for a change.
type waiting struct {
	*consul.Source
	now atomic.Int64
}

func (w *waiting) Fetch(ctx context.Context, q watch.Query, after uint64, hold time.Duration) (watch.Answer, error) {
	if after > 0 {
		w.now.Add(1)
		defer w.now.Add(-1)
	}
	return w.Source.Fetch(ctx, q, after, hold)
}

// running is a scheduler that asks a real agent.
type running struct {
	t      *testing.T
	src    *waiting
	store  *watch.Store
	log    *problems
	cancel context.CancelFunc
	group  sync.WaitGroup
}

func run(t *testing.T, cfg consul.Config, queries []watch.Query) *running {
	t.Helper()
	r := &running{t: t, store: watch.NewStore(), log: &problems{}}
	cfg.Log = slog.New(r.log)
	src, err := consul.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.src = &waiting{Source: src}
	scheduler := watch.NewScheduler(r.src, r.store, watch.Options{Name: "Consul", Log: cfg.Log})
	wanted := watch.Set{}
	for _, q := range queries {
		wanted.Add(q)
	}
	scheduler.Want(wanted)
	ctx, cancel := context.WithCancel(t.Context())
	r.cancel = cancel
	r.group.Go(func() { _ = scheduler.Run(ctx) })
	t.Cleanup(r.stop)
	return r
}

func (r *running) stop() {
	r.cancel()
	r.group.Wait()
	r.src.Close()
}

// answered waits until all queries have an answer.
func (r *running) answered(queries []watch.Query, limit time.Duration) {
	r.t.Helper()
	start := time.Now()
	servers.Eventually(r.t, limit, func() error {
		for _, q := range queries {
			if _, _, ok := r.store.Get(q); !ok {
				return fmt.Errorf("%s has no answer", q)
			}
		}
		return nil
	})
	r.t.Logf("%d answers after %s", len(queries), time.Since(start).Round(time.Millisecond))
}

// register makes an instance of a service on one of 50 nodes.
func register(t *testing.T, client *api.Client, name string, node, port int) {
	t.Helper()
	_, err := client.Catalog().Register(&api.CatalogRegistration{
		Node: fmt.Sprintf("node-%d", node%50), Address: "10.0.0.1", SkipNodeUpdate: true,
		Service: &api.AgentService{ID: name, Service: name, Port: port},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
}

// at tells whether the answer is one instance at that port.
func at(answer any, port int) bool {
	list, _ := answer.([]*watch.ServiceInstance)
	return len(list) == 1 && list[0].Port == port
}

// An agent that allows fewer connections than are configured refuses some, once.
func TestAgentWithALowLimit(t *testing.T) {
	t.Parallel()
	agent := servers.RunConsul(t, servers.ConsulOptions{Config: "limits { http_max_conns_per_client = 20 }"})
	client := other(t, agent.HTTPAddr)
	queries := make([]watch.Query, 100)
	for i := range queries {
		queries[i] = service(fmt.Sprintf("service-%d|any", i))
	}
	r := run(t, consul.Config{Address: agent.HTTPAddr, MaxStale: 2 * time.Second}, queries)
	r.answered(queries, time.Minute)
	for port := range 3 {
		for i := range queries {
			register(t, client, queries[i].Name, i, port+1)
		}
		start := time.Now()
		servers.Eventually(t, time.Minute, func() error {
			for _, q := range queries {
				if v, _, _ := r.store.Get(q); !at(v, port+1) {
					return fmt.Errorf("%s is not at port %d", q, port+1)
				}
			}
			return nil
		})
		t.Logf("after %s; %d of them at once, %d connections", time.Since(start).Round(time.Millisecond), r.src.Budget(), r.src.Connections())
	}
	if n := r.src.Budget(); n < 4 || n > 25 { // after some time it tries some more than it had
		t.Errorf("%d queries are asked at once, of an agent that allows 20", n)
	}
	if len(r.log.lines) != 1 || !strings.Contains(r.log.lines[0], "refuses connections") {
		t.Errorf("want one line: %s", strings.Join(r.log.lines, "\n"))
	}
	t.Log(strings.Join(r.log.lines, "\n"))
}
