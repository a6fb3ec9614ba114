package consul

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// An agent that always takes 20 connections is seldom tried; one that takes more again is
// made use of.
func TestBudgetGrowsBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(160, false, "Consul", slog.New(slog.DiscardHandler))
		conns := make([]*conn, 20)
		for i := range conns {
			conns[i] = &conn{}
			b.add(conns[i])
		}
		refusals := 0
		day := func() int {
			for end := time.Now().Add(24 * time.Hour); time.Now().Before(end); time.Sleep(time.Second) {
				if b.queries() > 20 {
					b.refused(b.mark(), b.mark())
					refusals++
				}
			}
			return refusals
		}
		b.refused(b.mark(), b.mark())
		if n := b.queries(); n != 18 {
			t.Errorf("%d at once of an agent that takes 20", n)
		}
		if n := day(); n < 3 || n > 15 {
			t.Errorf("refused %d times on the first day", n)
		}
		if before := refusals; day()-before > 5 {
			t.Errorf("refused %d times on the second day", refusals-before)
		}
		for range 24 * 60 {
			b.queries()
			time.Sleep(time.Minute)
		}
		if n := b.queries(); n != 160 {
			t.Errorf("%d at once of an agent that takes all", n)
		}
	})
}

// A query is not held for long before it is known that there is room for all.
func TestHoldGrows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(160, false, "Consul", slog.New(slog.DiscardHandler))
		wants := func(want time.Duration) {
			t.Helper()
			if got := b.hold(time.Minute, true); got != want {
				t.Errorf("held for %s, want %s", got, want)
			}
		}
		wants(time.Second)
		time.Sleep(5 * time.Second)
		wants(5 * time.Second)
		time.Sleep(time.Hour)
		wants(time.Minute)
		b.refused(b.mark(), b.mark())
		wants(time.Second)
		time.Sleep(20 * time.Second)
		wants(10 * time.Second)
	})
}
