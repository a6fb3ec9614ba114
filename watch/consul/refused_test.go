package consul

import (
	"context"
	"log/slog"
	"net/http"
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
