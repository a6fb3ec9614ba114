package consul

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// An agent that refuses everything for a moment is tried again soon: only a try that was
// one too many makes the next one wait for longer.
func TestARefusalInARowDoesNotWaitForLonger(t *testing.T) {
	t.Parallel()
	b := newBudget(160, false, "an agent", slog.New(slog.DiscardHandler))
	for range 18 {
		m := b.mark()
		b.refused(m, m)
	}
	if b.allowed != fewest || b.pause != firstPause {
		t.Errorf("%d connections, more after %s", b.allowed, b.pause)
	}
}

// A request that was given up before it had a connection has no place at the agent.
func TestGivenUpInTheQueue(t *testing.T) {
	t.Parallel()
	s, err := New(Config{Address: "127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	b := s.transport.budget
	b.allowed = 0
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:1/v1/kv/a?index=5&wait=10000ms", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.transport.RoundTrip(req); err == nil {
		t.Error("no error")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open != 0 || b.kept != 0 {
		t.Errorf("%d open, %d kept", b.open, b.kept)
	}
}

// When the sentinels end, their connections do too: with those of the queries they would be
// more than an agent allows.
func TestConnectionsOfSentinelsEnd(t *testing.T) {
	t.Parallel()
	var open atomic.Int64
	closed := make(chan struct{}, 8)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed:
			closed <- struct{}{}
		}
	}
	server.Start()
	defer server.Close()
	s, err := New(Config{Address: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	s.transport.watch(true)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/v1/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	s.transport.watch(false)
	select {
	case <-closed:
	case <-time.After(10 * time.Second):
		t.Errorf("%d connections stay open", open.Load())
	}
}
