package consul

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ctmpl/ctmpl/watch"
)

// probedAt asks a server for n indexes through a source.
func probedAt(t *testing.T, cfg Config, n int) (map[string]uint64, error) {
	t.Helper()
	p := proberOf(t, cfg)
	query := p.src.target.query(scopeKey{}, false, url.Values{"tag": {"none"}})
	var names []string
	for i := range n {
		names = append(names, fmt.Sprint("s", i))
	}
	var mu sync.Mutex
	var err error
	found := map[string]uint64{}
	for range 2 { // the second time over the same connections
		clear(found)
		err = p.probe(t.Context(), probes{take: inTurn(names), path: func(name string) string { return "catalog/service/" + name + query }, tell: func(name string, index uint64) bool {
			mu.Lock()
			defer mu.Unlock()
			found[name] = index
			return false
		}})
	}
	return found, err
}

// proberOf makes a prober, until the test ends.
func proberOf(t *testing.T, cfg Config) *prober {
	t.Helper()
	src, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	p := newProber(src)
	t.Cleanup(p.close)
	return p
}

// indexes answers with the number in the path.
func indexes(w http.ResponseWriter, r *http.Request) {
	_, n, _ := strings.Cut(r.URL.Path, "/v1/catalog/service/s")
	w.Header().Set("X-Consul-Index", n)
	fmt.Fprint(w, "[]")
}

func TestProbes(t *testing.T) {
	for name, start := range map[string]func(t *testing.T, h http.HandlerFunc) Config{
		"http": func(t *testing.T, h http.HandlerFunc) Config {
			server := httptest.NewServer(h)
			t.Cleanup(server.Close)
			return Config{Address: server.URL}
		},
		"below a path": func(t *testing.T, h http.HandlerFunc) Config {
			server := httptest.NewServer(http.StripPrefix("/consul", h))
			t.Cleanup(server.Close)
			return Config{Address: server.URL + "/consul"}
		},
		"https": func(t *testing.T, h http.HandlerFunc) Config {
			server := httptest.NewTLSServer(h)
			t.Cleanup(server.Close)
			no := false
			return Config{Address: server.URL, TLS: TLS{Verify: &no}}
		},
		"unix": func(t *testing.T, h http.HandlerFunc) Config {
			path := filepath.Join(t.TempDir(), "s")
			l, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			server := &http.Server{Handler: h}
			go func() { _ = server.Serve(l) }()
			t.Cleanup(func() { server.Close() })
			return Config{Address: "unix://" + path}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var wrong atomic.Pointer[string]
			cfg := start(t, func(w http.ResponseWriter, r *http.Request) {
				if user, password, _ := r.BasicAuth(); r.Header.Get("X-Consul-Token") != "secret" || user+password != "ab" || r.URL.Query().Get("ns") != "team" {
					wrong.Store(new(fmt.Sprint(r.URL, r.Header)))
				}
				indexes(w, r)
			})
			cfg.Token, cfg.Username, cfg.Password, cfg.Namespace = "secret", "a", "b", "team"
			for _, n := range []int{1, 3, 64, 333} {
				found, err := probedAt(t, cfg, n)
				if err != nil || len(found) != n {
					t.Fatalf("%d of %d: %v", len(found), n, err)
				}
				for name, index := range found {
					if name != fmt.Sprint("s", index) {
						t.Errorf("index %d of %s", index, name)
					}
				}
			}
			if w := wrong.Load(); w != nil {
				t.Error(*w)
			}
		})
	}
}

// Answers that are smaller than any before, of which fewer bytes come than are waited for, and ones that
// come late, are read all the same.
func TestProbesGather(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := asked.Add(1)
		w.Header().Set("X-Other", strings.Repeat("x", max(0, 400-int(n))))
		if n%150 == 0 {
			time.Sleep(gatherTime + gatherTime/2)
		}
		indexes(w, r)
	}))
	t.Cleanup(server.Close)
	if found, err := probedAt(t, Config{Address: server.URL}, 300); err != nil || len(found) != 300 {
		t.Fatalf("%d: %v", len(found), err)
	}
}

// An agent that refuses a connection over which answers are to gather refuses it, and nothing else.
func TestRefusedWhileAnswersGather(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for n := 0; ; n++ {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			if n > 0 {
				fmt.Fprint(c, "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 8\r\nConnection: close\r\n\r\ntoo many")
				_ = c.(*net.TCPConn).CloseWrite()
				continue
			}
			in := bufio.NewReader(c)
			for range 2 * pipelined { // a batch
				if _, err := http.ReadRequest(in); err == nil {
					fmt.Fprint(c, "HTTP/1.1 200 OK\r\nX-Consul-Index: 7\r\nContent-Length: 2\r\n\r\n[]")
				}
			}
			_ = c.Close()
		}
	}()
	p := proberOf(t, Config{Address: listener.Addr().String()})
	names := make([]string, 4*pipelined)
	err = p.probe(t.Context(), probes{
		few: true, take: inTurn(names), path: func(string) string { return "x" }, tell: func(string, uint64) bool { return false },
	})
	if !errors.Is(err, watch.ErrRefused) {
		t.Errorf("%v is no refusal", err)
	}
}

// An agent that does not shake hands is given up.
func TestProbesOfAnAgentThatIsSilent(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0") // which accepts nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	for _, scheme := range []string{"http", "https"} {
		p := proberOf(t, Config{Address: scheme + "://" + listener.Addr().String()})
		p.src.silence = 100 * time.Millisecond
		if _, err := p.question(t.Context(), &probing{}, "x", p.src.silence, nil); err == nil {
			t.Errorf("%s: there is an answer", scheme)
		}
	}
}

// Who waits for answers to gather does not wait for them when its context ends.
func TestGatheringEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, fmt.Sprint("s", 4*pipelined-8)) { // in the second batch: the size of answers is known by then
			cancel()
			<-r.Context().Done()
		}
		indexes(w, r)
	}))
	t.Cleanup(server.Close)
	p := proberOf(t, Config{Address: server.URL})
	var names []string
	for i := range 4 * pipelined {
		names = append(names, fmt.Sprint("s", i))
	}
	start := time.Now()
	err := p.probe(ctx, probes{
		few: true, take: inTurn(names), path: func(name string) string { return "catalog/service/" + name },
		tell: func(string, uint64) bool { return false },
	})
	if p.lengths[ofNodes].gathered(names[:2]) == 1 {
		t.Error("nothing was known to gather by")
	}
	if !errors.Is(err, context.Canceled) || time.Since(start) > silence/2 {
		t.Errorf("%v after %s", err, time.Since(start))
	}
}

func TestProbesOfClosedConnections(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "5") {
			w.Header().Set("Connection", "close")
		}
		indexes(w, r)
	}))
	t.Cleanup(server.Close)
	// What stands behind an answer that closes the connection is not answered.
	if found, err := probedAt(t, Config{Address: server.URL}, 100); err != nil || len(found) != 100 {
		t.Errorf("%v, %v", found, err)
	}
}

func TestFailingProbes(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter)
		want   string
		is     error
	}{
		"500":      {answer: func(w http.ResponseWriter) { http.Error(w, "No cluster leader", http.StatusInternalServerError) }, want: "HTTP status 500: No cluster leader"},
		"429":      {answer: func(w http.ResponseWriter) { http.Error(w, "too many", http.StatusTooManyRequests) }, is: watch.ErrRefused},
		"no index": {answer: func(w http.ResponseWriter) { fmt.Fprint(w, "[]") }, want: "Consul"},
		"behind":   {answer: func(w http.ResponseWriter) { w.Header().Set("X-Consul-Lastcontact", "5000") }, is: errLags},
		"garbage": {answer: func(w http.ResponseWriter) {
			conn, _, _ := w.(http.Hijacker).Hijack()
			fmt.Fprint(conn, "no http\r\n\r\n")
			conn.Close()
		}, want: ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { c.answer(w) }))
			t.Cleanup(server.Close)
			_, err := probedAt(t, Config{Address: server.URL, MaxStale: time.Second}, 40)
			if err == nil || !strings.Contains(err.Error(), c.want) || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestProbesEndWithTheirContext(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 100)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	p := proberOf(t, Config{Address: server.URL})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	err := p.probe(ctx, probes{take: inTurn(make([]string, 40)), path: func(string) string { return "x" }, tell: func(string, uint64) bool { return false }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// Changes without end do not keep a round from its end, and so the patrol from its turn.
func TestARoundIsOneLap(t *testing.T) {
	t.Parallel()
	var sc *scope
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n := asked.Add(1); n <= 100 {
			_ = sc.movedTo(uint64(100+n), 0) // which is not found
		}
		time.Sleep(2 * shortestLap) // a lap takes longer than it rests
		w.Header().Set("X-Consul-Index", "7")
		fmt.Fprint(w, "[]")
	}))
	t.Cleanup(server.Close)
	p := proberOf(t, Config{Address: server.URL})
	sc = newScope(p.src, scopeKey{})
	sc.node("a") // as many nodes as services, which are asked then
	sc.cover(watch.Set{watch.Query{Kind: watch.KindService, Name: "web"}: {}}, false)
	for range 2 {
		before := asked.Load()
		next, err := sc.goRound(t.Context(), p, func(watch.Notice) {})
		if n := asked.Load() - before; err != nil || next != 0 || n != 1 {
			t.Errorf("%d questions, then %s, %v", n, next, err)
		}
	}
}

// A group that is not followed any more has its place at the agent until its wait is over.
func TestAGroupThatIsGivenUpKeepsItsPlace(t *testing.T) {
	t.Parallel()
	held := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("index") != "" {
			close(held)
			<-r.Context().Done()
			return
		}
		w.Header().Set("X-Consul-Index", "7")
		fmt.Fprint(w, "{}")
	}))
	t.Cleanup(server.Close)
	p := proberOf(t, Config{Address: server.URL})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-held
		cancel()
	}()
	err := newScope(p.src, scopeKey{}).followGroup(ctx, p, "rack", "1", func() {}, func() {})
	b := p.src.transport.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	if !errors.Is(err, context.Canceled) || b.kept != 1 {
		t.Errorf("%v, %d places are kept", err, b.kept)
	}
}
