package main

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// endFor is how long the daemon may take to end before it says what it waits for.
const endFor = 5 * time.Second

// parts are what runs at once in the daemon, by name.
type parts struct {
	mu      sync.Mutex
	running map[string]bool
}

// run runs f as a part.
func (p *parts) run(g *errgroup.Group, name string, f func() error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == nil {
		p.running = map[string]bool{}
	}
	p.running[name] = true
	g.Go(func() error {
		defer func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			delete(p.running, name)
		}()
		return f()
	})
}

// complain says what still runs a while after ctx has ended, until stop is called.
func (p *parts) complain(ctx context.Context, log *slog.Logger) (stop func()) {
	done := make(chan struct{})
	go func() {
		select {
		case <-ctx.Done():
		case <-done:
			return
		}
		select {
		case <-time.After(endFor):
			p.mu.Lock()
			defer p.mu.Unlock()
			log.Warn("the end takes long", "waits_for", strings.Join(slices.Sorted(maps.Keys(p.running)), ", "))
		case <-done:
		}
	}()
	return func() { close(done) }
}
