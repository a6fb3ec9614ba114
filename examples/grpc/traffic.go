package main

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
)

const (
	callers   = 6                     // of a traffic
	pauseTime = 10 * time.Millisecond // between two calls of a caller
	callTime  = 10 * time.Second      // deadline of a call
)

// traffic is unary calls over one client, some at a time.
type traffic struct {
	client *client
	ctx    context.Context // of its life
	cancel context.CancelFunc
	group  sync.WaitGroup
	ended  sync.Once

	mu     sync.Mutex
	total  tally
	recent tally // of calls since the last take
	takes  int
}

// startTraffic has the callers call, each one call after the other.
func startTraffic(c *client) *traffic {
	ctx, cancel := context.WithCancel(context.Background())
	t := &traffic{client: c, ctx: ctx, cancel: cancel}
	for range callers {
		t.group.Go(t.work)
	}
	return t
}

// work calls until it is stopped. A call that runs then is finished: that the traffic stops
// is no failure.
func (t *traffic) work() {
	for t.running() {
		t.call()
		select {
		case <-t.ctx.Done():
		case <-time.After(pauseTime):
		}
	}
}

// call makes one call. What was under way during a take says nothing of the time after
// it, unless it has failed.
func (t *traffic) call() {
	t.mu.Lock()
	taken := t.takes
	t.mu.Unlock()
	one := t.client.call()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.total.add(one)
	if taken == t.takes || one.err != nil {
		t.recent.add(one)
	}
}

// more waits for more calls.
func (t *traffic) more(ctx context.Context, n int) error {
	want := t.sum().calls + n
	return servers.Wait(ctx, func() error {
		if have := t.sum().calls; have < want {
			return fmt.Errorf("the traffic has come to %d calls, not yet to %d", have, want)
		}
		return nil
	})
}

// take gives the counts of the calls since the last take.
func (t *traffic) take() tally {
	t.mu.Lock()
	defer t.mu.Unlock()
	taken := t.recent
	t.recent = tally{}
	t.takes++
	return taken
}

// sum gives the counts since the start.
func (t *traffic) sum() tally {
	t.mu.Lock()
	defer t.mu.Unlock()
	sum := t.total
	sum.by = maps.Clone(sum.by)
	return sum
}

// running says whether calls are made.
func (t *traffic) running() bool { return t != nil && t.ctx.Err() == nil }

// stop waits for the calls that run. Of none, and a second time, it does nothing.
func (t *traffic) stop() (err error) {
	if t == nil {
		return nil
	}
	t.ended.Do(func() {
		t.cancel()
		t.group.Wait()
		err = t.client.Close()
	})
	return err
}
