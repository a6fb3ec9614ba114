package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// sample is how many requests a spread is made of: a multiple of the numbers of
// instances there are.
const sample = 240

// traffic sends requests to nginx all the while, over a connection each. So that a
// count holds no request from before, a new load takes over from the old one, with
// no gap between the two.
type traffic struct {
	addr  string
	load  *servers.Load // nil when none runs
	total servers.LoadResult
}

// handOver starts counting anew.
func (t *traffic) handOver() {
	load := servers.StartLoad(servers.LoadOptions{Addr: t.addr, Workers: 4, Pause: 5 * time.Millisecond})
	t.stop()
	t.load = load
}

// spread counts who answers from here on.
func (t *traffic) spread(ctx context.Context) (servers.LoadResult, error) {
	t.handOver()
	var result servers.LoadResult
	err := servers.Wait(ctx, func() error {
		result = t.load.Result()
		if result.Requests < sample {
			return fmt.Errorf("only %d requests have been answered", result.Requests)
		}
		return nil
	})
	return result, errors.Join(err, result.Err())
}

// stop ends the load, if there is one, and adds up what it has counted.
func (t *traffic) stop() {
	if t.load == nil {
		return
	}
	result := t.load.Stop()
	t.load = nil
	t.total.Requests += result.Requests
	t.total.Failures += result.Failures
	t.total.Errors = append(t.total.Errors, result.Errors...)
	t.total.Slowest = max(t.total.Slowest, result.Slowest)
}
