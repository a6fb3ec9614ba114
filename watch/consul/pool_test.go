package consul_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
	"github.com/ctmpl/ctmpl/watch"
	"github.com/ctmpl/ctmpl/watch/consul"
)

// holding is an agent over HTTP/2 that counts the queries that it holds.
type holding struct {
	*httptest.Server
	now atomic.Int64
}

func newHolding(t *testing.T, with func(*httptest.Server)) *holding {
	t.Helper()
	h := &holding{}
	h.Server = httptestServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("wait") != "" {
			h.now.Add(1)
			defer h.now.Add(-1)
		}
		waits(w, r)
	}, func(s *httptest.Server) {
		s.EnableHTTP2 = true
		with(s)
		s.StartTLS()
	})
	return h
}

// source gives one that asks the agent, or a gate before it.
func (h *holding) source(t *testing.T, cfg consul.Config, set ...func(*consul.Source)) *consul.Source {
	t.Helper()
	no := false
	if cfg.Address == "" {
		cfg.Address = h.Listener.Addr().String()
	}
	cfg.Address, cfg.TLS = "https://"+cfg.Address, consul.TLS{Verify: &no}
	src := newSource(t, cfg)
	for _, f := range set {
		f(src)
	}
	fetch(t, src, lookup("a"), 0, 0) // as the first one tells whether HTTP/2 is spoken
	return src
}

// ask has n queries asked that wait, and returns when the agent holds so many. end ends them, and
// gives their errors before that.
func (h *holding) ask(t *testing.T, src *consul.Source, n, held int) (end func() []error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	errs := make(chan error, n)
	for range n {
		group.Go(func() {
			if _, err := src.Fetch(ctx, lookup("a"), 7, time.Minute); ctx.Err() == nil {
				errs <- err
			}
		})
	}
	end = sync.OnceValue(func() (list []error) {
		cancel()
		group.Wait()
		for close(errs); len(errs) > 0; {
			list = append(list, <-errs)
		}
		return list
	})
	t.Cleanup(func() { end() })
	h.holds(t, held)
	return end
}

func (h *holding) holds(t *testing.T, n int) {
	t.Helper()
	servers.Eventually(t, deadline, func() error {
		if now := h.now.Load(); now != int64(n) {
			return fmt.Errorf("%d queries are held", now)
		}
		return nil
	})
}

// No connection is opened that is not needed, however many queries begin at once.
func TestConnectionsForQueries(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ streams, queries, budget, want int }{
		{250, 199, 6000, 1}, {250, 201, 6000, 2}, {250, 3000, 6000, 15}, {1000, 3000, 6000, 15}, {100, 799, 2400, 10}, {2, 20, 30, 20},
	} {
		t.Run(fmt.Sprint(tc.streams, " ", tc.queries), func(t *testing.T) {
			t.Parallel()
			agent := newHolding(t, func(s *httptest.Server) { s.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: tc.streams} })
			src := agent.source(t, consul.Config{})
			if n := src.Budget(); n != tc.budget {
				t.Errorf("%d queries at once, want %d", n, tc.budget)
			}
			end := agent.ask(t, src, tc.queries, tc.queries)
			if n := src.Connections(); n != tc.want {
				t.Errorf("%d connections, want %d", n, tc.want)
			}
			end()
			src.Close()
			if n := src.Connections(); n != 0 {
				t.Errorf("%d connections after the end", n)
			}
		})
	}
}

// A query that was given up while it waited for a place takes none.
func TestGivenUpWithoutAPlace(t *testing.T) {
	t.Parallel()
	agent := newHolding(t, func(s *httptest.Server) { s.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 5} })
	src := agent.source(t, consul.Config{Connections: 1})
	for range 3 {
		first := agent.ask(t, src, 4, 4)
		second := agent.ask(t, src, 20, 4)
		second()
		third := agent.ask(t, src, 4, 4)
		first()
		agent.holds(t, 4)
		third()
		agent.holds(t, 0)
	}
}

// An agent that wants to end its connections, as one that stops or a proxy that is reloaded, loses no query.
func TestConnectionsThatAreToEnd(t *testing.T) {
	t.Parallel()
	var answers atomic.Int64
	agent := httptestServer(t, func(w http.ResponseWriter, r *http.Request) {
		if answers.Add(1)%100 == 0 {
			w.Header().Set("Connection", "close")
		}
		waits(w, r)
	}, func(s *httptest.Server) { s.EnableHTTP2 = true; s.StartTLS() })
	src := (&holding{Server: agent}).source(t, consul.Config{})
	var group sync.WaitGroup
	for range 300 {
		group.Go(func() {
			for range 3 {
				if _, err := try(t, src, lookup("a"), 7, time.Millisecond); err != nil {
					t.Errorf("got %v", err)
				}
			}
		})
	}
	group.Wait()
}

// All connections lost in the same moment are no sign that the agent allows fewer.
func TestLossIsNoRefusal(t *testing.T) {
	t.Parallel()
	agent := newHolding(t, func(*httptest.Server) {})
	gate := newGate(t, agent.Listener.Addr().String())
	src := agent.source(t, consul.Config{Address: gate.listener.Addr().String()})
	end := agent.ask(t, src, 1000, 1000)
	gate.cut()
	agent.holds(t, 0)
	again := agent.ask(t, src, 1000, 1000)
	if n := src.Budget(); n != 6000 {
		t.Errorf("%d queries at once", n)
	}
	for _, err := range append(end(), again()...) {
		if isRefused(err) {
			t.Fatalf("got %v", err)
		}
	}
	if _, most, _ := gate.counts(); most > 10 { // as those that had waited for a while are asked again
		t.Errorf("%d connections at once", most)
	}
}

// An agent that allows fewer connections than there are queries for is asked fewer.
func TestRefusedOverHTTP2(t *testing.T) {
	t.Parallel()
	l := &limited{most: 8, open: map[net.Conn]bool{}}
	agent := newHolding(t, func(s *httptest.Server) { s.Config.ConnState = l.state })
	log := &problems{}
	src := agent.source(t, consul.Config{Log: slog.New(log)}, func(src *consul.Source) { src.SetAtOnce(deadline) })
	agent.ask(t, src, 1200, 1200)
	end := agent.ask(t, src, 1800, 1600)
	servers.Eventually(t, deadline, func() error {
		if n := src.Budget(); n > 8*200 || n < 800 {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			_, _ = src.Fetch(ctx, lookup("a"), 7, time.Minute) // one more, as what was refused is asked again
			return fmt.Errorf("%d queries at once of an agent that takes 8 connections", n)
		}
		return nil
	})
	for _, err := range end() {
		if !isRefused(err) {
			t.Fatalf("got %v", err)
		}
	}
	if len(log.said()) != 1 {
		t.Errorf("want one line: %q", log.said())
	}
}

// A connection that is dead without a word is given up.
func TestDeadConnection(t *testing.T) {
	t.Parallel()
	agent := newHolding(t, func(*httptest.Server) {})
	gate := newGate(t, agent.Listener.Addr().String())
	src := agent.source(t, consul.Config{Address: gate.listener.Addr().String()}, func(src *consul.Source) { src.SetPing(5 * time.Second) })
	end := agent.ask(t, src, 10, 10)
	gate.bury()
	servers.Eventually(t, deadline, func() error {
		if n := gate.buried(); n > 0 {
			return fmt.Errorf("%d dead connections are open", n)
		}
		return nil
	})
	fetch(t, src, lookup("a"), 0, 0)
	for _, err := range end() {
		if err != nil && !errors.Is(err, watch.ErrNoAnswer) { // nil for what was asked again
			t.Errorf("got %v", err)
		}
	}
}

// What an agent redirects to another host is asked there.
func TestRedirect(t *testing.T) {
	t.Parallel()
	there := newHolding(t, func(*httptest.Server) {})
	here := httptestServer(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, there.URL+r.URL.RequestURI(), http.StatusFound)
	}, func(s *httptest.Server) { s.EnableHTTP2 = true; s.StartTLS() })
	src := (&holding{Server: here}).source(t, consul.Config{})
	there.ask(t, src, 3, 3)
}
