package consul

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/watch"
)

// entryOf is one entry as Consul 1.20 gives it for an instance on an agent's node.
func entryOf(service, instance, node int) string {
	return strings.NewReplacer("SVC", fmt.Sprint("svc-", service), "INST", fmt.Sprint("svc-", service, "-", instance), "NODE", fmt.Sprint("node-", node),
		"ADDR", fmt.Sprintf("10.0.%d.%d", node/250, node%250), "PORT", fmt.Sprint(8000+instance), "INDEX", fmt.Sprint(1000+service)).Replace(`{
"Node":{"ID":"0f1c7a1e-1111-2222-3333-NODE","Node":"NODE","Address":"ADDR","Datacenter":"dc1","TaggedAddresses":{"lan":"ADDR","lan_ipv4":"ADDR","wan":"ADDR","wan_ipv4":"ADDR"},"Meta":{"consul-network-segment":"","consul-version":"1.20.1"},"CreateIndex":14,"ModifyIndex":14},
"Service":{"ID":"INST","Service":"SVC","Tags":["http","v1"],"Address":"","TaggedAddresses":{"lan_ipv4":{"Address":"ADDR","Port":PORT},"wan_ipv4":{"Address":"ADDR","Port":PORT}},"Meta":{"team":"edge","version":"1.2.3"},"Port":PORT,"Weights":{"Passing":1,"Warning":1},"EnableTagOverride":false,"Proxy":{"Mode":"","MeshGateway":{},"Expose":{}},"Connect":{},"PeerName":"","CreateIndex":14,"ModifyIndex":INDEX},
"Checks":[{"Node":"NODE","CheckID":"serfHealth","Name":"Serf Health Status","Status":"passing","Notes":"","Output":"Agent alive and reachable","ServiceID":"","ServiceName":"","ServiceTags":[],"Type":"","Interval":"","Timeout":"","ExposedPort":0,"Definition":{},"CreateIndex":14,"ModifyIndex":14},
{"Node":"NODE","CheckID":"service:INST","Name":"health","Status":"passing","Notes":"","Output":"HTTP GET http://ADDR:PORT/health: 200 OK Output: ok","ServiceID":"INST","ServiceName":"SVC","ServiceTags":["http","v1"],"Type":"http","Interval":"10s","Timeout":"1s","ExposedPort":0,"Definition":{},"CreateIndex":14,"ModifyIndex":INDEX}]}`)
}

// bodyOf is the answer for a service with so many instances on some of the nodes.
func bodyOf(service, instances, nodes int) string {
	var list []string
	for i := range instances {
		list = append(list, entryOf(service, i, (service+i*97)%nodes))
	}
	return "[" + strings.Join(list, ",") + "]"
}

// answering answers each request with the same body.
type answering struct{ body *string }

func (a answering) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"X-Consul-Index": {"1"}}, Body: io.NopCloser(strings.NewReader(*a.body))}, nil
}

func sourceOf(tb testing.TB, body *string) *Source {
	s, err := New(Config{Address: "127.0.0.1:1"})
	if err != nil {
		tb.Fatal(err)
	}
	s.client, err = api.NewClient(&api.Config{Address: "127.0.0.1:1", HttpClient: &http.Client{Transport: answering{body}}})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// passing asks for the instances of a service that can serve.
func passing(name string) watch.Query {
	return watch.Query{Kind: watch.KindService, Name: name, Params: "filter=passing"}
}

func fetch(tb testing.TB, s *Source, q watch.Query) any {
	a, err := s.Fetch(tb.Context(), q, 0, 0)
	if err != nil {
		tb.Fatal(err)
	}
	return a.Value
}

func BenchmarkDecodeService(b *testing.B) {
	body := bodyOf(1, 5, 500)
	s := sourceOf(b, &body)
	b.ReportAllocs()
	for b.Loop() {
		fetch(b, s, passing("svc-1"))
	}
}

func BenchmarkDecodePrefix(b *testing.B) {
	var list []string
	for i := range 10_000 {
		list = append(list, fmt.Sprintf(`{"LockIndex":0,"Key":"config/app-%d/key-%d","Flags":0,"Value":"aGVsbG8gd29ybGQ=","CreateIndex":%d,"ModifyIndex":%d}`, i/100, i, i, i))
	}
	body := "[" + strings.Join(list, ",") + "]"
	s := sourceOf(b, &body)
	b.ReportAllocs()
	for b.Loop() {
		fetch(b, s, watch.Query{Kind: watch.KindPrefix, Name: "config"})
	}
}

// BenchmarkHeldServices is the memory that 5,000 services of five instances take.
func BenchmarkHeldServices(b *testing.B) {
	var body string
	for b.Loop() {
		s, store := sourceOf(b, &body), watch.NewStore()
		before := heap()
		for i := range 5000 {
			body = bodyOf(i, 5, 500)
			q := passing(fmt.Sprint("svc-", i))
			store.Put(q, fetch(b, s, q))
		}
		b.ReportMetric(float64(heap()-before)/25_000, "B/instance")
		runtime.KeepAlive(store)
		runtime.KeepAlive(s)
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
