package consul_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ctmpl/ctmpl/watch"
	"github.com/ctmpl/ctmpl/watch/consul"
)

// httptestServer starts a server that logs nothing.
func httptestServer(t *testing.T, handler http.HandlerFunc, with ...func(*httptest.Server)) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.Config.ErrorLog = quiet()
	if len(with) == 0 {
		s.Start()
	}
	for _, f := range with {
		f(s)
	}
	t.Cleanup(s.Close)
	return s
}

// limited refuses connections as an agent does.
type limited struct {
	mu   sync.Mutex
	most int
	open map[net.Conn]bool
}

func (l *limited) state(c net.Conn, state http.ConnState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch state {
	case http.StateNew:
		if len(l.open) < l.most {
			l.open[c] = true
			return
		}
		if _, secure := c.(*tls.Conn); !secure {
			const text = "Your IP is issuing too many concurrent connections, please rate limit your calls\n"
			fmt.Fprintf(c, "HTTP/1.1 429 Too Many Requests\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(text), text)
		}
		c.Close()
	case http.StateClosed:
		delete(l.open, c)
	}
}

// waits is an agent that answers what it is asked at once, and holds what waits.
func waits(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Consul-Index", "7")
	if wait, err := time.ParseDuration(r.FormValue("wait")); err == nil {
		select {
		case <-time.After(wait):
		case <-r.Context().Done():
		}
	}
	fmt.Fprint(w, "[]")
}

func TestBudgetShrinks(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(*httptest.Server){
		"plain": (*httptest.Server).Start,
		"TLS":   (*httptest.Server).StartTLS, // without HTTP/2
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := &limited{most: 20, open: map[net.Conn]bool{}}
			agent := httptestServer(t, waits, func(s *httptest.Server) { s.Config.ConnState = l.state; start(s) })
			log := &problems{}
			no := false
			src := newSource(t, consul.Config{Address: agent.URL, Log: slog.New(log), TLS: consul.TLS{Verify: &no}})
			fetch(t, src, lookup("a"), 0, 0)
			if n := src.Budget(); n != 160 {
				t.Errorf("%d queries at once before the first refusal", n)
			}
			ctx, cancel := context.WithCancel(t.Context())
			var group sync.WaitGroup
			ended := make(chan error, 60)
			for range 60 {
				group.Go(func() {
					_, err := src.Fetch(ctx, lookup("a"), 7, time.Minute)
					ended <- err
				})
			}
			err := <-ended
			for n := src.Budget(); n > 20; n = src.Budget() { // of some it may take a while to be refused
				if _, err = src.Fetch(ctx, lookup("a"), 7, time.Minute); err == nil {
					t.Fatalf("%d queries at once of an agent that takes 20", n)
				}
			}
			if !strings.Contains(fmt.Sprint(err), "429") && name == "plain" || !isRefused(err) {
				t.Errorf("got %v", err)
			}
			if n := src.Budget(); n < 12 {
				t.Errorf("%d queries at once of an agent that takes 20", n)
			}
			if len(log.lines) != 1 || !strings.Contains(log.lines[0], "refuses connections") {
				t.Errorf("want one line: %q", log.lines)
			}
			cancel()
			group.Wait()
		})
	}
}

func isRefused(err error) bool { return errors.Is(err, watch.ErrRefused) }

// Over HTTPS one query is asked first: it tells whether HTTP/2 is spoken.
func TestBudgetOverHTTPS(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		h2                      bool
		connections, want, most int // queries at once, connections
	}{{true, 0, 6000, 3}, {true, 3, 600, 3}, {false, 0, 160, 160}, {false, 7, 7, 7}} {
		t.Run(fmt.Sprint(tc.h2, " ", tc.connections), func(t *testing.T) {
			t.Parallel()
			l := &limited{most: 1000, open: map[net.Conn]bool{}}
			agent := httptestServer(t, waits, func(s *httptest.Server) { s.EnableHTTP2 = tc.h2; s.Config.ConnState = l.state; s.StartTLS() })
			no := false
			src := newSource(t, consul.Config{Address: agent.URL, Connections: tc.connections, TLS: consul.TLS{Verify: &no}})
			if n := src.Budget(); n != 1 {
				t.Errorf("%d queries at once before the first answer", n)
			}
			fetch(t, src, lookup("a"), 0, 0)
			if n := src.Budget(); n != tc.want {
				t.Errorf("%d queries at once, want %d", n, tc.want)
			}
			fetch(t, src, lookup("a"), 0, 0)
			var group sync.WaitGroup
			for range min(500, tc.want) {
				group.Go(func() { fetch(t, src, lookup("a"), 7, 2*time.Second) })
			}
			group.Wait()
			if n := src.Connections(); n > tc.most {
				t.Errorf("%d connections, want at most %d", n, tc.most)
			}
		})
	}
}

// Requests of all kinds come from one bucket.
func TestRequestsPerSecond(t *testing.T) {
	t.Parallel()
	agent := httptestServer(t, waits)
	src := newSource(t, consul.Config{Address: agent.URL, RequestsPerSecond: 50})
	start := time.Now()
	var group sync.WaitGroup
	for i := range 55 {
		group.Go(func() { fetch(t, src, []watch.Query{lookup("a"), nodes(""), datacenters}[i%3], 0, 0) })
	}
	group.Wait()
	if took := time.Since(start); took < time.Second { // 5 of 55 at once
		t.Errorf("55 requests took %s", took)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	src = newSource(t, consul.Config{Address: agent.URL, RequestsPerSecond: 1})
	fetch(t, src, lookup("a"), 0, 0)
	if _, err := src.Fetch(ctx, lookup("a"), 0, 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
