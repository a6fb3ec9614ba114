package consul_test

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/internal/servers"
	"github.com/ctmpl/ctmpl/watch"
	"github.com/ctmpl/ctmpl/watch/consul"
)

// overTLS starts an agent that also speaks HTTPS, and tells how to reach it so, through a gate.
func overTLS(t *testing.T) (*servers.Consul, *gate, consul.Config) {
	t.Helper()
	ca := newCert(t, nil, inAYear())
	server := newCert(t, &ca, inAYear())
	ports, err := servers.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	agent := servers.RunConsul(t, servers.ConsulOptions{Config: fmt.Sprintf("ports { https = %d }\ntls { defaults { cert_file = %q key_file = %q } }",
		ports[0], file(t, "cert.pem", server.cert), file(t, "key.pem", server.key))})
	on, gate := true, newGate(t, fmt.Sprintf("127.0.0.1:%d", ports[0]))
	return agent, gate, consul.Config{Address: gate.listener.Addr().String(), MaxStale: 2 * time.Second, TLS: consul.TLS{Enabled: &on, CACertPEM: ca.cert}}
}

// An agent with default limits holds thousands of blocking queries over HTTP/2, on few connections
// whatever happens.
func TestThousandsOverHTTP2(t *testing.T) {
	agent, gate, cfg := overTLS(t)
	queries := make([]watch.Query, 5000)
	for i := range queries {
		queries[i] = service(fmt.Sprintf("service-%d|any", i))
	}
	few := func(when string) {
		t.Helper()
		open, most, all := gate.counts()
		if t.Logf("%s: %d connections, at most %d at once, %d in all", when, open, most, all); most > 30 {
			t.Errorf("%s: %d connections at once for %d queries", when, most, len(queries))
		}
	}
	before := memory()
	r := run(t, cfg, queries)
	r.answered(queries, time.Minute)
	r.allWait(queries)
	few("start")
	t.Logf("%d MB", (memory()-before)>>20)
	r.wakeAll(agent.Client, queries[4000:])
	few("many answers at once")
	r.logWakes(agent.Client, queries[:1000])
	few("single answers")
	if said := r.log.said(); len(said) > 0 {
		t.Errorf("%d problems, the first: %s", len(said), said[0])
	}
	gate.cut()
	servers.Eventually(t, time.Minute, func() error {
		if open, _, all := gate.counts(); open < 20 || all < 45 { // the other queries wait for longer until they are asked again
			return fmt.Errorf("%d connections after all were cut, %d in all", open, all)
		}
		return nil
	})
	few("loss of all connections")
	r.stop()
	servers.Eventually(t, deadline, func() error {
		if open, _, _ := gate.counts(); open > 0 {
			return fmt.Errorf("%d connections are open after the end", open)
		}
		return nil
	})
	cfg.Token = "another"
	r = run(t, cfg, queries)
	r.allWait(queries)
	few("another token")
}

// allWait returns when all queries wait for a change.
func (r *running) allWait(queries []watch.Query) {
	r.t.Helper()
	servers.Eventually(r.t, time.Minute, func() error {
		if n := r.src.now.Load(); n < int64(len(queries)) {
			return fmt.Errorf("%d queries wait", n)
		}
		return nil
	})
}

// logWakes says how long single queries take to wake.
func (r *running) logWakes(client *api.Client, queries []watch.Query) {
	r.t.Helper()
	var took []time.Duration
	for i := 0; i < len(queries); i += 10 {
		took = append(took, r.wake(client, queries[i]))
	}
	slices.Sort(took)
	r.t.Logf("woken: p50 %s, p99 %s", took[len(took)/2], took[len(took)*99/100])
}

// wake registers a service, and tells how long it took until that was seen.
func (r *running) wake(client *api.Client, q watch.Query) time.Duration {
	r.t.Helper()
	start := time.Now()
	register(r.t, client, q.Name, 0, 80)
	for late := time.After(deadline); ; {
		select {
		case <-r.store.Changed(): // which nobody else here waits for
		case <-late:
			r.t.Fatalf("%s has not changed within %s", q, deadline)
		}
		if v, _, _ := r.store.Get(q); at(v, 80) {
			return time.Since(start)
		}
	}
}

// wakeAll has all queries answered at once: the address of the node changes on which their
// services are.
func (r *running) wakeAll(client *api.Client, queries []watch.Query) {
	r.t.Helper()
	node := api.CatalogRegistration{Node: "crowded", Address: "10.0.0.0"}
	if _, err := client.Catalog().Register(&node, nil); err != nil {
		r.t.Fatal(err)
	}
	for some := range slices.Chunk(queries, 64) { // Consul takes no more in one transaction
		var ops api.TxnOps
		for _, q := range some {
			ops = append(ops, &api.TxnOp{Service: &api.ServiceTxnOp{Verb: api.ServiceSet, Node: node.Node, Service: api.AgentService{ID: q.Name, Service: q.Name, Port: 80}}})
		}
		if ok, resp, _, err := client.Txn().Txn(ops, nil); err != nil || !ok {
			r.t.Fatalf("%v %+v", err, resp)
		}
	}
	node.Address = "10.0.0.1"
	if _, err := client.Catalog().Register(&node, nil); err != nil {
		r.t.Fatal(err)
	}
	servers.Eventually(r.t, deadline, func() error {
		for _, q := range queries {
			v, _, _ := r.store.Get(q)
			if list, _ := v.([]*watch.ServiceInstance); len(list) == 0 || list[0].NodeAddress != node.Address {
				return fmt.Errorf("%s has not changed", q)
			}
		}
		return nil
	})
}

// said gives the problems so far.
func (p *problems) said() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.lines)
}

func memory() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Sys - m.HeapReleased
}
