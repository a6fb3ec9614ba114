package watch_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/internal/servers"
	"github.com/ctmpl/ctmpl/watch"
	"github.com/ctmpl/ctmpl/watch/catalog"
	"github.com/ctmpl/ctmpl/watch/consul"
)

// dataset is what both sources are given.
type dataset struct {
	nodes    []api.Node
	services []serviceOn
	checks   []api.HealthCheck
	kv       map[string]string
}

type serviceOn struct {
	node string
	api.AgentService
}

// clone makes a copy whose lists can be changed.
func (d dataset) clone() dataset {
	return dataset{slices.Clone(d.nodes), slices.Clone(d.services), slices.Clone(d.checks), maps.Clone(d.kv)}
}

// sample has something of everything.
func sample() dataset {
	d := dataset{
		nodes: []api.Node{
			{Node: "n1", Address: "10.0.0.1", ID: "11111111-2222-3333-4444-555555555555", Meta: map[string]string{"zone": "a", "rack": "1"}, TaggedAddresses: map[string]string{"lan": "10.0.0.1", "wan": "8.8.8.1"}},
			{Node: "n2", Address: "10.0.0.2"},
			{Node: "N3.example.com", Address: "fd00::3", Meta: map[string]string{"zone": "b"}},
			{Node: "sick", Address: "10.0.0.4"},
			{Node: "maint", Address: "10.0.0.5"},
			{Node: "bare", Address: "10.0.0.6"},
		},
		services: []serviceOn{
			{"n2", api.AgentService{ID: "web-1", Service: "web", Port: 8080, Tags: []string{"v2", "Http", "a.b"}, Address: "10.9.9.1", Meta: map[string]string{"version": "2", "weight": "10"},
				Weights: api.AgentWeights{Passing: 5, Warning: 2}, TaggedAddresses: map[string]api.ServiceAddress{"wan": {Address: "8.8.8.2", Port: 80}}}},
			{"n1", api.AgentService{ID: "web-2", Service: "web", Port: 8081, Tags: []string{"v1", "http"}, EnableTagOverride: true}},
			{"n1", api.AgentService{ID: "web-10", Service: "web", Port: 8082, Tags: []string{"env=prod:eu"}, Address: "10.0.0.1"}},
			{"N3.example.com", api.AgentService{ID: "web-1", Service: "web"}},
			{"sick", api.AgentService{ID: "web-1", Service: "web", Port: 1}},
			{"maint", api.AgentService{ID: "web-1", Service: "web", Port: 2}},
			{"n1", api.AgentService{ID: "Web-upper", Service: "Web", Port: 3, Tags: []string{"v1", "v1"}}},
			{"n2", api.AgentService{ID: "api", Service: "api", Port: 4}},
			{"n2", api.AgentService{ID: "api-maint", Service: "api", Port: 5}},
			{"n2", api.AgentService{ID: "api-warn", Service: "api", Port: 6}},
			{"n2", api.AgentService{ID: "api-crit", Service: "api", Port: 7}},
			{"n2", api.AgentService{ID: "api-proxy", Service: "api-sidecar-proxy", Kind: "connect-proxy", Port: 21000, Proxy: &api.AgentServiceConnectProxyConfig{DestinationServiceName: "api"}}},
			{"n1", api.AgentService{ID: "api-proxy", Service: "api-proxies", Kind: "connect-proxy", Port: 21001, Tags: []string{"V2"}, Proxy: &api.AgentServiceConnectProxyConfig{DestinationServiceName: "API"}}},
			{"sick", api.AgentService{ID: "web-proxy", Service: "web-sidecar-proxy", Kind: "connect-proxy", Port: 21002, Proxy: &api.AgentServiceConnectProxyConfig{DestinationServiceName: "web"}}},
			{"n2", api.AgentService{ID: "native", Service: "native", Port: 9, Tags: []string{"v1"}, Connect: &api.AgentServiceConnect{Native: true}}},
			{"sick", api.AgentService{ID: "onlysick", Service: "only-sick_1", Port: 8}},
		},
		checks: []api.HealthCheck{
			{Node: "n2", CheckID: "z-http", Name: "HTTP", Status: "passing", ServiceID: "web-1", Notes: "notes", Output: "HTTP GET: 200"},
			{Node: "n2", CheckID: "a-tcp", Name: "TCP", Status: "passing", ServiceID: "web-1"},
			{Node: "n2", CheckID: "node-b", Name: "disk", Status: "passing"},
			{Node: "n2", CheckID: "node-a", Name: "cpu", Status: "passing"},
			{Node: "n1", CheckID: "web-2-check", Name: "c", Status: "warning", ServiceID: "web-2"},
			{Node: "sick", CheckID: "memory", Name: "memory", Status: "critical", Output: "out of it"},
			{Node: "maint", CheckID: "_node_maintenance", Name: "Node Maintenance Mode", Status: "critical", Notes: "because"},
			{Node: "n2", CheckID: "_service_maintenance:api-maint", Name: "Service Maintenance Mode", Status: "critical", ServiceID: "api-maint"},
			{Node: "n2", CheckID: "w1", Name: "w", Status: "warning", ServiceID: "api-warn"},
			{Node: "n2", CheckID: "w2", Name: "w", Status: "passing", ServiceID: "api-warn"},
			{Node: "n2", CheckID: "c1", Name: "c", Status: "critical", ServiceID: "api-crit"},
			{Node: "n2", CheckID: "c2", Name: "c", Status: "warning", ServiceID: "api-crit"},
		},
		kv: map[string]string{
			"foo": "1", "foo/": "", "foo/bar": "2", "foo/bar/baz": "3", "foobar": "4", "foo/empty": "", "folder/": "", "folder/sub/": "", "folder/sub/x": "x", "Foo": "upper",
			"a b/c%d?e": "odd", "ü": "ö\n", "json": `{"a": [1, "${x}"]}`, "number": "0080", "many": "a\tb\nc\n",
		},
	}
	for i := range d.services {
		if d.services[i].Weights == (api.AgentWeights{}) {
			d.services[i].Weights = api.AgentWeights{Passing: 1, Warning: 1} // 0 would be another thing
		}
	}
	return d
}

// write makes a catalog file of the data.
func (d dataset) write(t *testing.T, path string) {
	t.Helper()
	var nodes, services, checks []map[string]any
	for _, n := range d.nodes {
		nodes = append(nodes, map[string]any{"id": n.ID, "name": n.Node, "address": n.Address, "meta": orNone(n.Meta), "tagged_addresses": orNone(n.TaggedAddresses)})
	}
	for _, s := range d.services {
		tagged := map[string]any{}
		for name, a := range s.TaggedAddresses {
			tagged[name] = map[string]any{"address": a.Address, "port": a.Port}
		}
		service := map[string]any{
			"node": s.node, "id": s.ID, "name": s.Service, "kind": string(s.Kind), "port": s.Port, "tags": s.Tags, "address": s.Address, "meta": orNone(s.Meta),
			"weights": map[string]int{"passing": s.Weights.Passing, "warning": s.Weights.Warning}, "tagged_addresses": tagged, "enable_tag_override": s.EnableTagOverride,
		}
		if s.Proxy != nil {
			service["proxy"] = map[string]any{"destination_service_name": s.Proxy.DestinationServiceName}
		}
		if s.Connect != nil {
			service["connect"] = map[string]any{"native": s.Connect.Native}
		}
		services = append(services, service)
	}
	for _, c := range d.checks {
		checks = append(checks, map[string]any{"node": c.Node, "id": c.CheckID, "name": c.Name, "status": c.Status, "service_id": c.ServiceID, "notes": c.Notes, "output": c.Output})
	}
	text, err := json.MarshalIndent(map[string]any{"nodes": nodes, "services": services, "checks": checks, "kv": d.kv}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func orNone(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

// send makes an agent's catalog out of old into what d is.
func (d dataset) send(t *testing.T, client *api.Client, old dataset) {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	register := func(r *api.CatalogRegistration) {
		t.Helper()
		_, err := client.Catalog().Register(r, nil)
		check(err)
	}
	address := map[string]string{}
	was := map[string]bool{}
	for _, n := range old.nodes {
		was[cmpKey(n)] = true
	}
	for _, n := range d.nodes {
		address[n.Node] = n.Address
		if !was[cmpKey(n)] {
			register(&api.CatalogRegistration{ID: n.ID, Node: n.Node, Address: n.Address, NodeMeta: n.Meta, TaggedAddresses: n.TaggedAddresses})
		}
	}
	for _, s := range d.services {
		if !containsLike(old.services, s) {
			register(&api.CatalogRegistration{Node: s.node, Address: address[s.node], SkipNodeUpdate: true, Service: &s.AgentService})
		}
	}
	for _, c := range d.checks {
		if !containsLike(old.checks, c) {
			register(&api.CatalogRegistration{Node: c.Node, Address: address[c.Node], SkipNodeUpdate: true, Checks: api.HealthChecks{&c}})
		}
	}
	for _, c := range old.checks {
		if !slices.ContainsFunc(d.checks, func(o api.HealthCheck) bool { return o.Node == c.Node && o.CheckID == c.CheckID }) {
			_, err := client.Catalog().Deregister(&api.CatalogDeregistration{Node: c.Node, CheckID: c.CheckID}, nil)
			check(err)
		}
	}
	for _, s := range old.services {
		if !slices.ContainsFunc(d.services, func(o serviceOn) bool { return o.node == s.node && o.ID == s.ID }) {
			_, err := client.Catalog().Deregister(&api.CatalogDeregistration{Node: s.node, ServiceID: s.ID}, nil)
			check(err)
		}
	}
	for _, n := range old.nodes {
		if address[n.Node] == "" {
			_, err := client.Catalog().Deregister(&api.CatalogDeregistration{Node: n.Node}, nil)
			check(err)
		}
	}
	for key, value := range d.kv {
		if before, ok := old.kv[key]; !ok || before != value {
			_, err := client.KV().Put(&api.KVPair{Key: key, Value: []byte(value)}, nil)
			check(err)
		}
	}
	for key := range old.kv {
		if _, ok := d.kv[key]; !ok {
			_, err := client.KV().Delete(key, nil)
			check(err)
		}
	}
}

// cmpKey is a text that is the same for equal values.
func cmpKey(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func containsLike[T any](list []T, v T) bool {
	return slices.ContainsFunc(list, func(o T) bool { return cmp.Equal(o, v, cmp.AllowUnexported(serviceOn{})) })
}

// twins are a Consul agent and the source that stands in for one.
type twins struct {
	t      *testing.T
	agent  *servers.Consul
	path   string
	data   dataset
	consul watch.Source
	file   *catalog.Source
}

func newTwins(t *testing.T) *twins {
	t.Helper()
	w := &twins{t: t, agent: servers.RunConsul(t, servers.ConsulOptions{}), path: filepath.Join(t.TempDir(), "catalog.json")}
	src, err := consul.New(consul.Config{Address: w.agent.HTTPAddr, MaxStale: 2 * time.Second, Connections: 100})
	if err != nil {
		t.Fatal(err)
	}
	w.consul, w.data = src, sample()
	w.data.send(t, w.agent.Client, dataset{})
	w.data.write(t, w.path)
	if w.file, err = catalog.Open(w.path); err != nil {
		t.Fatal(err)
	}
	return w
}

// change changes the data of both.
func (w *twins) change(f func(*dataset)) {
	w.t.Helper()
	next := w.data.clone()
	f(&next)
	next.send(w.t, w.agent.Client, w.data)
	next.write(w.t, w.path)
	if err := w.file.Load(); err != nil {
		w.t.Fatal(err)
	}
	w.data = next
}
