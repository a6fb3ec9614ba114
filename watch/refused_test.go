package watch_test

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/ctmpl/ctmpl/watch"
)

var errRefused = fmt.Errorf("%w: too many", watch.ErrRefused)

// A source that takes no connection for a query for a moment has not failed.
func TestARefusalIsNoFailure(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, watch.Options{Retry: watch.Retry{Attempts: 1}})
		queries := r.keys(3)
		r.run()
		r.want(queries...)
		for range 10 {
			r.Fail(queries[0], errRefused)
			pass(time.Millisecond)
			r.Set(queries[0], time.Now().String())
			r.Fail(queries[0], nil)
			pass(time.Second)
			r.hasAll(queries)
		}
		r.logged(slog.LevelWarn)
		r.logged(slog.LevelInfo)
	})
}

// One that never takes any has.
func TestRefusedForGood(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, watch.Options{})
		queries := r.keys(3)
		r.run()
		r.want(queries...)
		r.Fail(queries[0], errRefused)
		pass(10 * time.Minute)
		r.logged(slog.LevelWarn, "fake did not answer a query: keeping the last good answer, trying on")
		if n := r.Fetches(queries[0]); n > 100 {
			t.Errorf("asked %d times in 10 minutes", n)
		}
		r.Fail(queries[0], nil)
		pass(time.Minute)
		r.hasAll(queries)
		r.logged(slog.LevelInfo, "fake answers a query again")
	})
}
