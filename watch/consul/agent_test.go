package consul_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ctmpl/ctmpl/watch"
	"github.com/ctmpl/ctmpl/watch/consul"
)

// The environment of whoever runs the tests must not matter. The proxy is one that
// refuses; addresses of this machine are not asked of a proxy.
func TestMain(m *testing.M) {
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "CONSUL_") || strings.HasSuffix(strings.ToUpper(name), "_PROXY") {
			os.Unsetenv(name)
		}
	}
	os.Setenv("HTTPS_PROXY", "http://127.0.0.1:1") // it is read once
	os.Exit(m.Run())
}

// reply is one answer of a fake agent.
type reply struct {
	status int // 200 by default
	index  string
	header http.Header
	body   string
	do     http.HandlerFunc // in place of all that
}

// agent is a fake agent that knows the answers to exactly the requests of a test, and
// fails the test on any other.
type agent struct {
	t       *testing.T
	server  *httptest.Server
	mu      sync.Mutex
	replies map[string][]reply // by path and query; the last one is repeated
	asked   []string
	headers http.Header // of the last request
}

func newAgent(t *testing.T, replies map[string]reply) *agent {
	t.Helper()
	a := &agent{t: t, replies: map[string][]reply{}}
	for uri, r := range replies {
		a.replies[uri] = []reply{r}
	}
	a.server = httptest.NewServer(a)
	t.Cleanup(a.server.Close)
	return a
}

// then adds a further answer to a request.
func (a *agent) then(uri string, r reply) {
	a.replies[uri] = append(a.replies[uri], r)
}

func (a *agent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	uri := r.Method + " " + r.URL.RequestURI()
	uri = strings.TrimPrefix(uri, "GET ")
	a.mu.Lock()
	list := a.replies[uri]
	if len(list) > 1 {
		a.replies[uri] = list[1:]
	}
	a.asked = append(a.asked, uri)
	a.headers = r.Header
	a.mu.Unlock()
	if len(list) == 0 {
		a.t.Errorf("unexpected request: %s", uri)
		http.Error(w, "unexpected", http.StatusTeapot)
		return
	}
	list[0].write(w, r)
}

func (r reply) write(w http.ResponseWriter, req *http.Request) {
	if r.do != nil {
		r.do(w, req)
		return
	}
	for name, values := range r.header {
		w.Header()[name] = values
	}
	if r.index != "" {
		w.Header().Set("X-Consul-Index", r.index)
	}
	if r.status != 0 {
		w.WriteHeader(r.status)
	}
	fmt.Fprint(w, r.body)
}

// requests gives what was asked since the last call.
func (a *agent) requests() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	asked := a.asked
	a.asked = nil
	return asked
}

// wants checks what was asked.
func (a *agent) wants(uris ...string) {
	a.t.Helper()
	if got := a.requests(); !slices.Equal(got, uris) {
		a.t.Errorf("asked\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(uris, "\n"))
	}
}

// source makes a source for the agent.
func (a *agent) source(cfg consul.Config) *consul.Source {
	a.t.Helper()
	cfg.Address = a.server.Listener.Addr().String()
	return newSource(a.t, cfg)
}

func newSource(t *testing.T, cfg consul.Config) *consul.Source {
	t.Helper()
	src, err := consul.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	src.Settle()
	return src
}

// deadline is what a test gives to one Fetch.
const deadline = time.Minute

// await waits for a sign.
func await(t *testing.T, sign <-chan struct{}) {
	t.Helper()
	select {
	case <-sign:
	case <-time.After(deadline):
		t.Fatal("nothing happens")
	}
}

// fetch asks, and fails the test on an error.
func fetch(t *testing.T, src watch.Source, q watch.Query, after uint64, hold time.Duration) watch.Answer {
	t.Helper()
	answer, err := try(t, src, q, after, hold)
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	return answer
}

func try(t *testing.T, src watch.Source, q watch.Query, after uint64, hold time.Duration) (watch.Answer, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	return src.Fetch(ctx, q, after, hold)
}

// must gives the query of a parser's result.
func must(q watch.Query, err error) watch.Query {
	if err != nil {
		panic(err)
	}
	return q
}

func service(arg string) watch.Query { return must(watch.ParseService(arg)) }
func services(arg string) watch.Query {
	return must(watch.ParseServices(arg))
}
func nodes(arg string) watch.Query { return must(watch.ParseNodes(arg)) }
func node(arg string) watch.Query  { return must(watch.ParseNode(arg)) }
func key(arg string) watch.Query   { return must(watch.ParseKey("key", watch.KindKey, arg)) }
func lookup(arg string) watch.Query {
	return must(watch.ParseKey("keyExists", watch.KindLookup, arg))
}
func prefix(arg string) watch.Query   { return must(watch.ParsePrefix("ls", arg)) }
func connect(arg string) watch.Query  { return must(watch.ParseConnect(arg)) }
func leaf(name string) watch.Query    { return watch.Query{Kind: watch.KindLeaf, Name: name} }
func peerings(arg string) watch.Query { return must(watch.ParsePeerings(arg)) }
func exported(partition string) watch.Query {
	return watch.ParsePartition(watch.KindExported, partition)
}
func imported(partition string) watch.Query {
	return watch.ParsePartition(watch.KindImported, partition)
}

var (
	datacenters = watch.Query{Kind: watch.KindDatacenters}
	roots       = watch.Query{Kind: watch.KindRoots}
	partitions  = watch.Query{Kind: watch.KindPartitions}
	workingDCs  = watch.Query{Kind: watch.KindDatacenters, Params: "ignore-failing=true"}
)

// quiet is a log that nobody reads.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
