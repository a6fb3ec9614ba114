package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
)

const (
	callers   = 8                    // of the traffic: requests that are under way at any time
	pauseTime = 2 * time.Millisecond // between two requests of a caller
	regulars  = 200                  // users who come again and again
)

// visit is a request that was answered.
type visit struct {
	user, version string
	sent          time.Time
}

// traffic is requests of the regulars, one user after the other. Half of the callers
// keep their connection, and the others take a new one for each request.
type traffic struct {
	cancel context.CancelFunc
	group  sync.WaitGroup
	next   atomic.Int64 // request

	mu       sync.Mutex
	requests int
	failures int
	first    error   // of these
	visits   []visit // since the last take
}

func startTraffic(addr string) *traffic {
	ctx, cancel := context.WithCancel(context.Background())
	t := &traffic{cancel: cancel}
	users := people(regulars)
	for i := range callers {
		b := newBrowser(addr, i%2 == 0)
		t.group.Go(func() {
			defer b.close()
			t.work(ctx, b, users)
		})
	}
	return t
}

// work sends requests until ctx ends. One that runs then is finished: that the traffic
// stops is no failure.
func (t *traffic) work(ctx context.Context, b *browser, users []string) {
	for ctx.Err() == nil {
		v := visit{user: users[int(t.next.Add(1))%len(users)], sent: time.Now()}
		var err error
		v.version, err = b.ask(context.Background(), v.user)
		t.count(v, err)
		select {
		case <-ctx.Done():
		case <-time.After(pauseTime):
		}
	}
}

func (t *traffic) count(v visit, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.requests++
	if err == nil {
		t.visits = append(t.visits, v)
		return
	}
	if t.failures++; t.first == nil {
		t.first = err
	}
}

// take gives the visits since the last take.
func (t *traffic) take() []visit {
	t.mu.Lock()
	defer t.mu.Unlock()
	visits := t.visits
	t.visits = nil
	return visits
}

// rounds waits until each user has come so many times more, or a request has failed.
func (t *traffic) rounds(ctx context.Context, n int) error {
	want := t.sum() + n*regulars + callers
	err := servers.Wait(ctx, func() error {
		if have := t.sum(); have < want && t.err() == nil {
			return fmt.Errorf("the traffic has come to %d requests, not yet to %d", have, want)
		}
		return nil
	})
	return errors.Join(t.err(), err)
}

// sum gives how many requests there have been since the start.
func (t *traffic) sum() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.requests
}

// err is nil when no request has failed since the start.
func (t *traffic) err() error {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failures == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d requests failed, the first with: %w", t.failures, t.requests, t.first)
}

// stop waits for the requests that run. A second call does nothing.
func (t *traffic) stop() {
	if t != nil {
		t.cancel()
		t.group.Wait()
	}
}
