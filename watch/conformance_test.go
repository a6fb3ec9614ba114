package watch_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/watch"
)

// The catalog file stands in for Consul: whatever is asked of them, both have to
// give the same answer.

// patience bounds one answer of either source.
const patience = time.Minute

// withoutOwn gives a copy of an answer without what cannot be equal: indexes,
// Consul's own node and service, and the addresses that it makes up.
func withoutOwn(v any) any {
	const own = "consul-1"
	switch v := v.(type) {
	case []*watch.ServiceSummary:
		return slices.DeleteFunc(slices.Clone(v), func(s *watch.ServiceSummary) bool { return s.Name == "consul" })
	case []*watch.Node:
		return slices.DeleteFunc(slices.Clone(v), func(n *watch.Node) bool { return n.Node == own })
	case []*watch.ServiceInstance:
		return copies(v, func(i *watch.ServiceInstance) {
			i.ServiceTaggedAddresses = withoutVirtual(i.ServiceTaggedAddresses)
			i.CreateIndex = 0
			i.Checks = copies(i.Checks, func(c *api.HealthCheck) { c.CreateIndex, c.ModifyIndex = 0, 0 })
		})
	case []*watch.KeyPair:
		return copies(v, func(p *watch.KeyPair) { p.CreateIndex, p.ModifyIndex = 0, 0 })
	}
	return v
}

// withoutVirtual leaves out the address of the service mesh.
func withoutVirtual(m map[string]api.ServiceAddress) map[string]api.ServiceAddress {
	m = maps.Clone(m)
	if delete(m, "consul-virtual"); len(m) == 0 {
		return nil
	}
	return m
}

// copies gives a list of changed copies; an answer itself must not be changed.
func copies[L ~[]*T, T any](list L, change func(*T)) L {
	out := slices.Clone(list) // nil stays nil
	for i, v := range list {
		c := *v
		change(&c)
		out[i] = &c
	}
	return out
}

func parsed(t *testing.T, text string) watch.Query {
	t.Helper()
	fn, arg, _ := strings.Cut(text, " ")
	if parsers[fn] == nil { // without an argument
		return watch.Query{Kind: fn}
	}
	q, err := parsers[fn](arg)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// questions are of every kind.
func questions() []string {
	list := []string{
		"datacenters",
		"services", "services @dc1", "services @nowhere", "services ?ns=x", "services ?partition=x",
		"nodes", "nodes @dc1", "nodes @nowhere", "nodes ~n1", "nodes ?partition=x",
		"node n1", "node N1", "node n2", "node n3.example.com", "node N3.example.com", "node bare", "node nope", "node n1@dc1", "node n1@nowhere", "node n1?ns=x",
		"service nope|any", "service web@dc1|any", "service web@nowhere|any", "service WEB|any", "service web?ns=x|any", "service web?peer=x|any", "service web?sameness-group=x|any",
		"service web~n1|any", "service web~_agent|any",
		"connect nope|any", "connect api@dc1|any", "connect api@nowhere|any", "connect api?ns=x|any", "connect api?peer=x|any", "connect api~n1|any", "connect V2.api~n1|any",
		"peerings", "peerings ?ns=x&peer=y", "peerings ?partition=x", "exportedServices", "exportedServices x", "partitions",
	}
	for _, name := range []string{"api", "API", "web", "native", "api-sidecar-proxy", "v2.api", "V2.API", "v1.native", "nope.api"} {
		for _, filter := range []string{"", "|any", "|critical", "|passing,critical", "|,"} {
			list = append(list, "connect "+name+filter)
		}
	}
	for _, name := range []string{
		"web", "Web", "api", "only-sick_1", "api-sidecar-proxy", "nope", "http.web", "HTTP.web", "v1.web", "V2.web", "a.b.web", "b.web", "env=prod:eu.web", "nope.web", ".web",
	} {
		for _, filter := range []string{
			"", "|any", "|passing", "|warning", "|critical", "|maintenance", "|passing,warning", "|critical,maintenance", "|warning,critical,passing", "|,",
		} {
			if name != ".web" { // not an argument of service
				list = append(list, "service "+name+filter)
			}
		}
	}
	for _, path := range []string{
		"foo", "/foo", "//foo", "foo/", "foo/bar", "foo/bar/baz", "foo/empty", "foobar", "Foo", "FOO", "fo", "nope", "folder", "folder/", "folder/sub", "a b/c%d", "ü", "json", "number", "many",
		"foo@dc1", "foo@nowhere", "foo?ns=x",
	} {
		list = append(list, "key "+path, "keyExists "+path, "ls "+path)
	}
	return append(list, "ls /", "ls f", "ls foo/b", "ls //", "key /", "keyExists //")
}

// ask asks both, and gives what can be compared of the answers.
func (w *twins) ask(q watch.Query, after [2]uint64, hold time.Duration) (answers [2]watch.Answer, errs [2]error) {
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	var group sync.WaitGroup
	for i, src := range []watch.Source{w.consul, w.file} {
		group.Go(func() {
			answers[i], errs[i] = src.Fetch(ctx, q, after[i], hold)
			answers[i].Value = withoutOwn(answers[i].Value)
		})
	}
	group.Wait()
	return answers, errs
}

func TestConformance(t *testing.T) {
	t.Parallel()
	w := newTwins(t)
	t.Run("answers", w.testAnswers)
	t.Run("own node", w.testOwnNode)
	t.Run("changes", w.testChanges)
}

func (w *twins) testAnswers(t *testing.T) {
	room := make(chan struct{}, 30)
	var group sync.WaitGroup
	for _, text := range questions() {
		q := parsed(t, text)
		room <- struct{}{}
		group.Go(func() {
			defer func() { <-room }()
			first, errs := w.ask(q, [2]uint64{}, 0)
			w.same(t, text, first, errs)
			if errs[0] != nil || errs[1] != nil {
				return
			}
			// And again, when nothing changes while they wait: other parts of Consul
			// answer then.
			hold := time.Second
			start := time.Now()
			again, errs := w.ask(q, [2]uint64{first[0].Version, first[1].Version}, hold)
			if !cmp.Equal(first[0].Value, again[0].Value) { // on a busy machine, Consul may not have begun to know: it answers with nothing then
				hold, start = 10*time.Second, time.Now()
				again, errs = w.ask(q, [2]uint64{first[0].Version, first[1].Version}, hold)
			}
			w.same(t, text, again, errs)
			if diff := cmp.Diff(first[0].Value, again[0].Value); diff != "" {
				t.Errorf("%s: Consul's answers to a first and to a blocking query differ (-first +blocking)\n%s", text, diff)
			}
			if took := time.Since(start); took < hold {
				t.Errorf("%s: answered after %s, though nothing had changed", text, took)
			}
		})
	}
	group.Wait()
}

// same checks that Consul and the file agree.
func (w *twins) same(t *testing.T, text string, answers [2]watch.Answer, errs [2]error) {
	t.Helper()
	if (errs[0] == nil) != (errs[1] == nil) {
		t.Errorf("%s: Consul: %v; file: %v", text, errs[0], errs[1])
	}
	if diff := cmp.Diff(answers[0].Value, answers[1].Value); diff != "" {
		t.Errorf("%s (-Consul +file)\n%s", text, diff)
	}
}

// The node of the agent is Consul's own, and the first of the file.
func (w *twins) testOwnNode(t *testing.T) {
	answers, errs := w.ask(watch.Query{Kind: watch.KindNode}, [2]uint64{}, 0)
	for i, want := range []string{"consul-1", "n1"} {
		if errs[i] != nil {
			t.Fatal(errs[i])
		}
		if detail := answers[i].Value.(*watch.NodeDetail); detail.Node == nil || detail.Node.Node != want {
			t.Errorf("got %+v, want %s", detail.Node, want)
		}
	}
}

// blocked is a query on which both sources are asked until its answer changes.
type blocked struct {
	text    string
	q       watch.Query
	before  [2]watch.Answer
	after   [2]watch.Answer
	errs    [2]error
	pending sync.WaitGroup
}

// block begins to wait for a change of the answer.
func (w *twins) block(ctx context.Context, text string) *blocked {
	w.t.Helper()
	b := &blocked{text: text, q: parsed(w.t, text)}
	b.before, b.errs = w.ask(b.q, [2]uint64{}, 0)
	if b.errs[0] != nil || b.errs[1] != nil {
		w.t.Fatal(text, b.errs)
	}
	for i, src := range []watch.Source{w.consul, w.file} {
		b.pending.Go(func() {
			version := b.before[i].Version
			for b.errs[i] == nil {
				b.after[i], b.errs[i] = src.Fetch(ctx, b.q, version, time.Minute)
				b.after[i].Value = withoutOwn(b.after[i].Value)
				if !cmp.Equal(b.before[i].Value, b.after[i].Value) {
					return
				}
				if version = b.after[i].Version; version < b.before[i].Version {
					version = 0
				}
			}
		})
	}
	return b
}

func (w *twins) testChanges(t *testing.T) {
	service := func(d *dataset, id string) *api.AgentService {
		i := slices.IndexFunc(d.services, func(s serviceOn) bool { return s.ID == id })
		return &d.services[i].AgentService
	}
	for _, tc := range []struct {
		name   string
		change func(d *dataset) // one write: Consul shows what is between two
		wakes  []string
	}{
		{"instance added", func(d *dataset) {
			d.services = append(d.services, serviceOn{"bare", api.AgentService{ID: "new", Service: "web", Port: 9, Tags: []string{"new"}, Weights: api.AgentWeights{Passing: 1, Warning: 1}}})
		}, []string{"service web", "service new.web", "service web|any", "services", "node bare"}},
		{"port", func(d *dataset) { service(d, "new").Port = 10 }, []string{"service web", "node bare"}},
		{"address", func(d *dataset) { service(d, "new").Address = "1.2.3.4" }, []string{"service web", "node bare"}},
		{"tags", func(d *dataset) { service(d, "new").Tags = []string{"newer"} }, []string{"service web", "service newer.web", "service new.web", "services"}},
		{"meta", func(d *dataset) { service(d, "new").Meta = map[string]string{"a": "b"} }, []string{"service web"}},
		{"weights", func(d *dataset) { service(d, "new").Weights.Passing = 7 }, []string{"service web"}},
		{"check fails", func(d *dataset) {
			d.checks = append(d.checks, api.HealthCheck{Node: "bare", CheckID: "c", Name: "c", Status: "critical", ServiceID: "new"})
		}, []string{"service web", "service web|any", "service web|critical"}},
		{"check passes", func(d *dataset) { d.checks[len(d.checks)-1].Status = "passing" }, []string{"service web", "service web|critical"}},
		{"check is gone", func(d *dataset) { d.checks = d.checks[:len(d.checks)-1] }, []string{"service web"}},
		{"node check", func(d *dataset) {
			d.checks = append(d.checks, api.HealthCheck{Node: "bare", CheckID: "n", Name: "n", Status: "warning"})
		}, []string{"service web", "service web|warning"}},
		{"node in maintenance", func(d *dataset) {
			d.checks = append(d.checks, api.HealthCheck{Node: "bare", CheckID: "_node_maintenance", Name: "n", Status: "critical"})
		}, []string{"service web|maintenance", "service web|any"}},
		{"node address", func(d *dataset) { d.nodes[5].Address = "10.0.0.66" }, []string{"service web|any", "nodes", "node bare"}},
		{"node meta", func(d *dataset) { d.nodes[5].Meta = map[string]string{"zone": "c"} }, []string{"service web|any", "nodes", "node bare"}},
		{"last instance gone", func(d *dataset) {
			d.services = slices.DeleteFunc(d.services, func(s serviceOn) bool { return s.Service == "only-sick_1" })
		}, []string{"service only-sick_1|any", "services", "node sick"}},
		{"it comes back", func(d *dataset) {
			d.services = append(d.services, serviceOn{"sick", api.AgentService{ID: "back", Service: "only-sick_1", Weights: api.AgentWeights{Passing: 1, Warning: 1}}})
		}, []string{"service only-sick_1|any", "services"}},
		{"new service", func(d *dataset) {
			d.services = append(d.services, serviceOn{"n1", api.AgentService{ID: "fresh", Service: "fresh", Weights: api.AgentWeights{Passing: 1, Warning: 1}}})
		}, []string{"service fresh", "services", "node n1"}},
		{"new node", func(d *dataset) { d.nodes = append(d.nodes, api.Node{Node: "n9", Address: "10.0.0.9"}) }, []string{"nodes", "node n9"}},
		{"proxy added", func(d *dataset) {
			d.services = append(d.services, serviceOn{"n1", api.AgentService{ID: "fresh-proxy", Service: "fresh-proxy", Kind: "connect-proxy", Port: 21009, Tags: []string{"new"}, Weights: api.AgentWeights{Passing: 1, Warning: 1},
				Proxy: &api.AgentServiceConnectProxyConfig{DestinationServiceName: "fresh"}}})
		}, []string{"connect fresh", "connect new.fresh", "service fresh-proxy", "services"}},
		{"proxy for another service", func(d *dataset) {
			service(d, "fresh-proxy").Proxy = &api.AgentServiceConnectProxyConfig{DestinationServiceName: "api"}
		}, []string{"connect fresh", "connect api", "connect new.api|any"}},
		{"check of a proxy fails", func(d *dataset) {
			d.checks = append(d.checks, api.HealthCheck{Node: "n1", CheckID: "p", Name: "p", Status: "critical", ServiceID: "fresh-proxy"})
		}, []string{"connect api", "connect api|critical", "service fresh-proxy"}},
		{"check of a proxy is gone", func(d *dataset) { d.checks = d.checks[:len(d.checks)-1] }, []string{"connect api", "connect api|critical"}},
		{"proxy gone", func(d *dataset) {
			d.services = slices.DeleteFunc(d.services, func(s serviceOn) bool { return s.ID == "fresh-proxy" })
		}, []string{"connect api", "connect new.api|any", "services"}},
		{"native", func(d *dataset) {
			service(d, "fresh").Port, service(d, "fresh").Connect = 80, &api.AgentServiceConnect{Native: true}
		}, []string{"connect fresh"}},
		{"node gone", func(d *dataset) { d.nodes = d.nodes[:len(d.nodes)-1] }, []string{"nodes", "node n9"}},
		{"key changed", func(d *dataset) { d.kv["foo"] = "changed" }, []string{"key foo", "keyExists foo", "ls foo"}},
		{"key emptied", func(d *dataset) { d.kv["foo"] = "" }, []string{"key foo", "keyExists foo", "ls fo"}},
		{"key appears", func(d *dataset) { d.kv["soon/x"] = "x" }, []string{"key soon/x", "keyExists soon/x", "ls soon/", "ls soon"}},
		{"key gone", func(d *dataset) { delete(d.kv, "soon/x") }, []string{"keyExists soon/x", "ls soon", "ls so", "key soon/x"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			var list []*blocked
			for _, text := range tc.wakes {
				list = append(list, w.block(ctx, text))
			}
			w.change(tc.change)
			for _, b := range list {
				b.pending.Wait()
				w.same(t, b.text, b.after, b.errs)
				for i, who := range []string{"Consul", "file"} {
					if b.errs[i] != nil {
						t.Errorf("%s: %s did not tell of the change: %v", b.text, who, fmt.Sprint(b.errs[i]))
					}
				}
			}
		})
	}
}
