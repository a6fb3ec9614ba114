package catalog_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/watch"
	"github.com/ctmpl/ctmpl/watch/catalog"
)

// files are the texts of a catalog, by name.
type files map[string]string

// write puts the files into a directory.
func (f files) write(t *testing.T, dir string) {
	t.Helper()
	for name, text := range f {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// open opens the catalog: the file, or the directory when there are several.
func (f files) open(t *testing.T) (*catalog.Source, string, error) {
	t.Helper()
	dir := t.TempDir()
	f.write(t, dir)
	path := dir
	if len(f) == 1 {
		for name := range f {
			path = filepath.Join(dir, name)
		}
	}
	src, err := catalog.Open(path)
	return src, path, err
}

func mustOpen(t *testing.T, f files) (*catalog.Source, string) {
	t.Helper()
	src, path, err := f.open(t)
	if err != nil {
		t.Fatal(err)
	}
	return src, path
}

// answerOf gives the answer to a query; after 0 needs no time.
func answerOf(t *testing.T, src watch.Source, q watch.Query) any {
	t.Helper()
	answer, err := src.Fetch(t.Context(), q, 0, time.Minute)
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	return answer.Value
}

func parse(t *testing.T, arg string) watch.Query {
	t.Helper()
	q, err := watch.ParseService(arg)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func instances(t *testing.T, src watch.Source, arg string) []*watch.ServiceInstance {
	t.Helper()
	return answerOf(t, src, parse(t, arg)).([]*watch.ServiceInstance)
}

func key(path string) watch.Query    { return watch.Query{Kind: watch.KindKey, Name: path} }
func lookup(path string) watch.Query { return watch.Query{Kind: watch.KindLookup, Name: path} }
func prefix(path string) watch.Query { return watch.Query{Kind: watch.KindPrefix, Name: path} }

var (
	allNodes    = watch.Query{Kind: watch.KindNodes}
	ownNode     = watch.Query{Kind: watch.KindNode}
	datacenters = watch.Query{Kind: watch.KindDatacenters}
)

func TestSameCatalogHoweverWritten(t *testing.T) {
	t.Parallel()
	wantInstance := &watch.ServiceInstance{
		Node: "n1", NodeID: "id1", NodeAddress: "10.0.0.1", NodeDatacenter: "dc7", NodeMeta: map[string]string{"zone": "a"}, NodeTaggedAddresses: map[string]string{"wan": "8.8.8.8"},
		ID: "web-1", Name: "web", Kind: "typical", Address: "10.1.1.1", Port: 8080, Tags: []string{"a", "b"}, ServiceMeta: map[string]string{"max_fails": "3"},
		ServiceTaggedAddresses: map[string]api.ServiceAddress{"wan": {Address: "8.8.4.4", Port: 80}}, Weights: api.AgentWeights{Passing: 5, Warning: 1}, Status: "warning",
		Checks: api.HealthChecks{
			{Node: "n1", CheckID: "disk", Name: "disk", Status: "passing", ServiceTags: []string{}},
			{Node: "n1", CheckID: "alive", Name: "Service 'web' check", Status: "warning", Notes: "note", Output: "slow", ServiceID: "web-1", ServiceName: "web", ServiceTags: []string{"b", "a"}},
		},
	}
	for name, f := range map[string]files{
		"blocks": {"c.hcl": `
datacenter = "dc7"
node {
  id = "id1"
  name = "n1"
  address = "10.0.0.1"
  meta { zone = "a" }
  tagged_addresses { wan = "8.8.8.8" }
  check { name = "disk" }
}
service {
  id = "web-1"
  name = "web"
  kind = "typical"
  node = "n1"
  tags = ["b", "a"]
  address = "10.1.1.1"
  port = 8080
  meta { max_fails = 3 }
  tagged_addresses { wan { address = "8.8.4.4" port = 80 } }
  weights { passing = 5 }
  enable_tag_override = true
  check { id = "alive" status = "warning" notes = "note" output = "slow" http = "http://localhost/health" interval = "10s" }
}
kv { "a/b" = "c" }
`},
		"lists": {"c.hcl": `
datacenter = "dc7"
nodes = [{ node = "n1", id = "id1", address = "10.0.0.1", node_meta = { zone = "a" }, tagged_addresses = { wan = "8.8.8.8" }, checks = [{ check_id = "disk" }] }]
services = [{ id = "web-1", service = "web", kind = "typical", tags = ["b", "a"], address = "10.1.1.1", port = "8080", meta = { max_fails = "3" },
  tagged_addresses = { wan = { address = "8.8.4.4", port = 80 } }, weights = { passing = 5, warning = 1 }, enable_tag_override = true }]
checks = [{ service_id = "web-1", id = "alive", status = "warning", notes = "note", output = "slow", ttl = "5s" }]
kv = { "/a/b" = "c" }
`},
		"JSON as Consul's configuration": {"c.json": `{"datacenter": "dc7",
"node": {"id": "id1", "name": "n1", "address": "10.0.0.1", "meta": {"zone": "a"}, "tagged_addresses": {"wan": "8.8.8.8"}, "checks": [{"id": "disk"}]},
"service": {"id": "web-1", "name": "web", "kind": "typical", "tags": ["b", "a"], "address": "10.1.1.1", "port": 8080, "meta": {"max_fails": "3"}, "token": "x",
  "tagged_addresses": {"wan": {"address": "8.8.4.4", "port": 80}}, "weights": {"passing": 5}, "enable_tag_override": true,
  "check": {"id": "alive", "status": "warning", "notes": "note", "output": "slow", "args": ["/bin/true"]}, "connect": {"sidecar_service": {}}},
"kv": {"a/b": "c"}}`},
		"JSON as the API's": {"c.json": `{"Datacenter": "dc7",
"Nodes": [{"ID": "id1", "Node": "n1", "Address": "10.0.0.1", "Meta": {"zone": "a"}, "TaggedAddresses": {"wan": "8.8.8.8"}, "Checks": [{"CheckID": "disk"}]}],
"Services": [{"ID": "web-1", "Service": "web", "Kind": "typical", "Tags": ["b", "a"], "Address": "10.1.1.1", "Port": 8080, "Meta": {"max_fails": "3"},
  "TaggedAddresses": {"wan": {"Address": "8.8.4.4", "Port": 80}}, "Weights": {"Passing": 5, "Warning": 1}, "EnableTagOverride": true, "Namespace": "default",
  "Check": {"CheckID": "alive", "Status": "warning", "Notes": "note", "Output": "slow", "TLSSkipVerify": true, "DeregisterCriticalServiceAfter": "90m"}}],
"KV": {"a/b": "c"}}`},
		"several files": {
			"1-nodes.hcl": "datacenter = \"dc7\"\nnode {\n name = \"n1\"\n id = \"id1\"\n address = \"10.0.0.1\"\n meta { zone = \"a\" }\n tagged_addresses { wan = \"8.8.8.8\" }\n}\n" +
				"check { name = \"disk\" }\nkv { \"a/b\" = \"earlier\" }",
			"2-web.json": `{"service": {"id": "web-1", "name": "web", "kind": "typical", "tags": ["b", "a"], "address": "10.1.1.1", "port": 8080, "meta": {"max_fails": "3"},
				"tagged_addresses": {"wan": {"address": "8.8.4.4", "port": 80}}, "weights": {"passing": 5}, "enable_tag_override": true}}`,
			"3-check.hcl": `check { service_id = "WEB-1" node = "N1" id = "alive" status = "warning" notes = "note" output = "slow" }`,
			"4-kv.hcl":    `kv { "a/b" = "c" }`,
			".5-swp.hcl":  "this is no catalog {{{",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src, _ := mustOpen(t, f)
			if diff := cmp.Diff([]*watch.ServiceInstance{wantInstance}, instances(t, src, "web|any")); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			detail := answerOf(t, src, ownNode).(*watch.NodeDetail)
			if detail.Node.Node != "n1" || len(detail.Services) != 1 || !detail.Services[0].EnableTagOverride || detail.Services[0].Address != "10.1.1.1" {
				t.Errorf("the agent's node is %+v with %+v", detail.Node, detail.Services)
			}
			if got := answerOf(t, src, key("a/b")); got != "c" {
				t.Errorf("the key holds %v", got)
			}
			if diff := cmp.Diff([]string{"dc7"}, answerOf(t, src, datacenters)); diff != "" {
				t.Errorf("datacenters (-want +got)\n%s", diff)
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	src, _ := mustOpen(t, files{"c.hcl": "service { name = \"web\" }\nservice {\n id = \"w2\"\n name = \"web\"\n checks = [{}, { status = \"critical\" }]\n}"})
	want := []*watch.ServiceInstance{
		{Node: "local", NodeAddress: "127.0.0.1", NodeDatacenter: "dc1", ID: "w2", Name: "web", Address: "127.0.0.1", Tags: []string{}, Weights: api.AgentWeights{Passing: 1, Warning: 1}, Status: "critical",
			Checks: api.HealthChecks{
				{Node: "local", CheckID: "service:w2:1", Name: "Service 'web' check", Status: "passing", ServiceID: "w2", ServiceName: "web", ServiceTags: []string{}},
				{Node: "local", CheckID: "service:w2:2", Name: "Service 'web' check", Status: "critical", ServiceID: "w2", ServiceName: "web", ServiceTags: []string{}},
			}},
		{Node: "local", NodeAddress: "127.0.0.1", NodeDatacenter: "dc1", ID: "web", Name: "web", Address: "127.0.0.1", Tags: []string{}, Weights: api.AgentWeights{Passing: 1, Warning: 1}, Status: "passing",
			Checks: api.HealthChecks{}},
	}
	if diff := cmp.Diff(want, instances(t, src, "web|any")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := instances(t, src, "web"); len(got) != 1 || got[0].ID != "web" {
		t.Errorf("%d instances pass", len(got))
	}
	one, _ := mustOpen(t, files{"c.hcl": "service {\n name = \"web\"\n check {}\n}"})
	if got := instances(t, one, "web")[0].Checks[0].CheckID; got != "service:web" {
		t.Errorf("a single check is %s, which an agent calls service:web", got)
	}
	empty, _ := mustOpen(t, files{"c.hcl": ""})
	if got := answerOf(t, empty, allNodes).([]*watch.Node); len(got) != 1 {
		t.Errorf("an empty catalog has the nodes %v", got)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		text string
		want []string // lines, without the directory
	}{
		"syntax":       {"service {\n name = \n}", []string{"c.hcl:2:9: invalid expression: *"}},
		"unknown key":  {"service {\n name = \"web\"\n prot = 80\n}", []string{`c.hcl:3:2: unknown key "prot" in service: did you mean "port"?`}},
		"unknown top":  {"servcie { name = \"web\" }", []string{`c.hcl:1:1: unknown key "servcie": did you mean "service"?`}},
		"check key":    {"interval = 3", []string{`c.hcl:1:1: unknown key "interval"`}},
		"type":         {"service {\n name = \"web\"\n port = \"http\"\n}", []string{"c.hcl:3:9: service.port: want a whole number, got a string"}},
		"no name":      {"service {\n port = 80\n}", []string{"c.hcl:1:9: a service needs a name"}},
		"node no name": {"node { address = \"1.1.1.1\" }", []string{"c.hcl:1:6: a node needs a name"}},
		"port":         {"service { name = \"web\" port = 65536 }", []string{`c.hcl:1:9: service "web": port 65536 is not in 0 to 65535`}},
		"negative":     {"service { name = \"web\" port = -1 }", []string{`c.hcl:1:9: service "web": port -1 is not in 0 to 65535`}},
		"status":       {"service {\n name = \"web\"\n check { status = \"ok\" }\n}", []string{`c.hcl:3:8: unknown status "ok" of a check: known are passing, warning, critical`}},
		"node": {"node { name = \"alpha\" }\nnode { name = \"beta\" }\nservice {\n name = \"web\"\n node = \"betta\"\n}",
			[]string{`c.hcl:3:9: service "web" is on node "betta", which is not defined: did you mean "beta"?`}},
		"check's node": {"check { node = \"lokal\" }", []string{`c.hcl:1:7: a check is on node "lokal", which is not defined: did you mean "local"?`}},
		"check's service": {"service { name = \"web\" }\ncheck { service_id = \"web-1\" }",
			[]string{`c.hcl:2:7: a check is for service ID "web-1", which is not defined on node "local"`}},
		"twice": {"service { name = \"web\" }\nservice { name = \"api\" id = \"WEB\" }",
			[]string{`c.hcl:2:9: service ID "WEB" is defined twice on node "local", first at c.hcl:1:9: give each instance an id of its own`}},
		"no destination": {"service { name = \"web\" kind = \"connect-proxy\" }", []string{`c.hcl:1:9: service "web" is a connect-proxy: its proxy block needs a destination_service_name`}},
		"native proxy": {"service {\n name = \"web\"\n kind = \"connect-proxy\"\n connect { native = true }\n proxy { destination_service_name = \"api\" }\n}",
			[]string{`c.hcl:1:9: service "web" is a connect-proxy: only a service that is none can be native`}},
		"proxy key":    {"service {\n name = \"web\"\n proxy { destination_name = \"api\" }\n}", []string{`c.hcl:3:10: unknown key "destination_name" in service.proxy*`}},
		"native key":   {"service {\n name = \"web\"\n connect { nativ = true }\n}", []string{`c.hcl:3:12: unknown key "nativ" in service.connect: did you mean "native"?`}},
		"node twice":   {"node { name = \"a\" }\nnode { name = \"A\" }", []string{`c.hcl:2:6: node "A" is defined twice`}},
		"key twice":    {"kv {\n \"a\" = 1\n \"/a\" = 2\n}", []string{`c.hcl:3:2: kv: the key "a" is set twice, first at c.hcl:2:2`}},
		"key no name":  {"kv { \"/\" = 1 }", []string{"c.hcl:1:6: kv: a key needs a name"}},
		"key a block":  {"kv { \"a\" = { b = 1 } }", []string{"c.hcl:1:12: kv.a: want a string, got a block"}},
		"kv no block":  {"kv = \"x\"", []string{"c.hcl:1:6: kv: want a block with a value for each key"}},
		"all of them":  {"service {\n port = 1\n}\nnode {\n}\nkv = 1\nfoo = 2", []string{"c.hcl:6:6: kv: *", "c.hcl:7:1: unknown key *"}},
		"all of those": {"service {\n port = 1\n}\nnode {\n}\n", []string{"c.hcl:4:6: a node *", "c.hcl:1:9: a service *"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, path, err := files{"c.hcl": tc.text}.open(t)
			if err == nil {
				t.Fatal("taken")
			}
			lines := strings.Split(strings.ReplaceAll(err.Error(), filepath.Dir(path)+"/", ""), "\n")
			ok := len(lines) == len(tc.want)
			for i := range min(len(lines), len(tc.want)) {
				start, prefix := strings.CutSuffix(tc.want[i], "*")
				ok = ok && (lines[i] == tc.want[i] || prefix && strings.HasPrefix(lines[i], start))
			}
			if !ok {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(tc.want, "\n"))
			}
		})
	}
	if _, err := catalog.Open("/nonexistent/c.hcl"); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "cannot read the catalog") {
		t.Errorf("a missing file: %v", err)
	}
	_, path, err := files{"a.json": `{"service": {"name": "web",` + "\n" + `"prot": 1}}`}.open(t)
	if want := path + `:2:1: unknown key "prot" in service: did you mean "port"?`; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestUnknownQueries(t *testing.T) {
	t.Parallel()
	src, _ := mustOpen(t, files{"c.hcl": `datacenter = "dc7"`})
	for want, q := range map[string]watch.Query{
		`no path to datacenter "dc1": the catalog is of "dc7"`:              parse(t, "web@dc1"),
		"no such kind of query: file":                                       {Kind: watch.KindFile, Name: "x"},
		"the catalog has no ns: that is of Consul Enterprise":               parse(t, "web?ns=x"),
		"the key has no name":                                               key("/"),
		"a catalog has no certificates: that needs a real Consul":           {Kind: watch.KindLeaf, Name: "web"},
		"the catalog has no partitions: they are part of Consul Enterprise": {Kind: watch.KindPartitions},
		"the catalog has no partition: that is of Consul Enterprise":        watch.ParsePartition(watch.KindExported, "p"),
	} {
		if _, err := src.Fetch(t.Context(), q, 0, time.Minute); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := src.Fetch(t.Context(), watch.Query{Kind: watch.KindRoots}, 0, time.Minute); err == nil || !strings.Contains(err.Error(), "needs a real Consul") {
		t.Errorf("got %v", err)
	}
	if got := instances(t, src, "web@dc7"); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

func TestWaysThroughTheMesh(t *testing.T) {
	t.Parallel()
	src, _ := mustOpen(t, files{
		"a.hcl": `
service {
  name = "api-proxy"
  kind = "connect-proxy"
  port = 21000
  tags = ["v1"]
  proxy {
    destination_service_name = "api"
    destination_service_id = "api-1"
    local_service_port = 80
    config { protocol = "http" }
    upstreams = [{ destination_name = "db", local_bind_port = 5432 }]
  }
}
service {
  id = "short"
  name = "other-proxy"
  kind = "connect-proxy"
  proxy { destination_service = "API" }
  check { status = "critical" }
}
service {
  name = "Api"
  connect { native = true }
}
service {
  name = "api"
  id = "without"
  connect { sidecar_service {} }
}
service {
  name = "typical"
  proxy { destination_service_name = "api" }
}`,
		"b.json": `{"service": {"Name": "web-proxy", "Kind": "connect-proxy", "Proxy": {"DestinationServiceName": "web", "MeshGateway": {}, "LocalServiceAddress": "127.0.0.1"}}}`,
	})
	for arg, want := range map[string]string{
		"api": "Api api-proxy ", "API": "Api api-proxy ", "api|any": "Api api-proxy short ", "api|critical": "short ", "v1.api": "api-proxy ", "V1.api|any": "api-proxy ",
		"v2.api": "", "web": "web-proxy ", "api-proxy": "", "typical": "", "api?peer=p": "", "api~local": "Api api-proxy ", "nope": "",
	} {
		q, err := watch.ParseConnect(arg)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, i := range answerOf(t, src, q).([]*watch.ServiceInstance) {
			got += i.ID + " "
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", arg, got, want)
		}
	}
}

// A catalog is a cluster of its own.
func TestNothingBeyondTheCatalog(t *testing.T) {
	t.Parallel()
	src, _ := mustOpen(t, files{"c.hcl": ""})
	for kind, want := range map[string]any{watch.KindPeerings: []*watch.Peering{}, watch.KindExported: []watch.ExportedService{}, watch.KindImported: []watch.ImportedService{}} {
		if diff := cmp.Diff(want, answerOf(t, src, watch.Query{Kind: kind})); diff != "" {
			t.Errorf("%s (-want +got)\n%s", kind, diff)
		}
	}
}

func TestReload(t *testing.T) {
	t.Parallel()
	src, path := mustOpen(t, files{"c.hcl": "service { name = \"web\" }\nkv {\n a = 1\n b = 1\n}"})
	dir := filepath.Dir(path)
	load := func(text string) error {
		files{"c.hcl": text}.write(t, dir)
		return src.Load()
	}
	before := answerOf(t, src, prefix("")).([]*watch.KeyPair)

	if err := load("service {"); err == nil {
		t.Error("an error is taken")
	}
	if err := load("service { port = 3 }"); err == nil {
		t.Error("an error is taken")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := src.Load(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is gone: %v", err)
	}
	if got := instances(t, src, "web"); len(got) != 1 {
		t.Errorf("after errors: %v, want what was there before", got)
	}

	if err := load("kv {\n a = 1\n b = 2\n c = 3\n}"); err != nil {
		t.Fatal(err)
	}
	if got := instances(t, src, "web"); len(got) != 0 {
		t.Errorf("after it was removed: %v", got)
	}
	// A key that stays as it is keeps its indexes, so that a list of keys is equal to
	// what it was.
	after := answerOf(t, src, prefix("")).([]*watch.KeyPair)
	if diff := cmp.Diff(before[0], after[0]); diff != "" {
		t.Errorf("an equal key (-before +after)\n%s", diff)
	}
	if b := after[1]; b.CreateIndex != before[1].CreateIndex || b.ModifyIndex <= before[1].ModifyIndex || b.Value != "2" {
		t.Errorf("a changed key was %+v, is %+v", before[1], b)
	}
	if c := after[2]; c.CreateIndex != c.ModifyIndex || c.CreateIndex <= before[1].ModifyIndex {
		t.Errorf("a new key is %+v", c)
	}
	if got := answerOf(t, src, lookup("d")); got != (watch.Lookup{}) {
		t.Errorf("a missing key is %v", got)
	}
}

func TestBlocking(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		src, path := mustOpen(t, files{"c.hcl": "kv { a = 1 }"})
		first, err := src.Fetch(t.Context(), key("a"), 0, time.Hour)
		if err != nil || first.Version == 0 {
			t.Fatal(first, err)
		}

		start := time.Now()
		same, err := src.Fetch(t.Context(), key("a"), first.Version, time.Minute)
		if diff := cmp.Diff(first, same); diff != "" || err != nil || time.Since(start) != time.Minute {
			t.Errorf("after %s: %v, %v", time.Since(start), same, err)
		}

		type result struct {
			answer watch.Answer
			err    error
		}
		results := make(chan result)
		fetch := func(ctx context.Context) {
			answer, err := src.Fetch(ctx, key("a"), first.Version, time.Hour)
			results <- result{answer, err}
		}
		for range 10 {
			go fetch(t.Context())
		}
		synctest.Wait()
		files{"c.hcl": "nonsense {"}.write(t, filepath.Dir(path))
		if err := src.Load(); err == nil {
			t.Error("an error is taken")
		}
		synctest.Wait()
		select {
		case r := <-results:
			t.Errorf("an error wakes those who wait: %v", r)
		default:
		}
		files{"c.hcl": "kv { a = 2 }"}.write(t, filepath.Dir(path))
		if err := src.Load(); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			if r := <-results; r.err != nil || r.answer.Value != "2" || r.answer.Version <= first.Version {
				t.Errorf("woken with %v", r)
			}
		}

		first, _ = src.Fetch(t.Context(), key("a"), 0, time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		go fetch(ctx)
		synctest.Wait()
		cancel()
		if r := <-results; !errors.Is(r.err, context.Canceled) {
			t.Errorf("with its context ended: %v", r)
		}
	})
}
