package watch_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ctmpl/ctmpl/watch"
	"github.com/ctmpl/ctmpl/watch/watchtest"
)

// crying is a sentinel that also tells what it is made to.
type crying struct {
	*watchtest.Sentinel
	cries chan watch.Notice
}

func (c crying) Watch(ctx context.Context, tell func(watch.Notice)) error {
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case n := <-c.cries:
				tell(n)
			}
		}
	}()
	return c.Sentinel.Watch(ctx, tell)
}

// crowd is a rig with a crying sentinel that looks after n queries.
func crowd(t *testing.T, n int) (*rig, crying, []watch.Query) {
	r, sentinel, queries := guardedRig(t, watch.Options{}, n)
	c := crying{sentinel, make(chan watch.Notice)}
	r.sched = watch.NewScheduler(c, r.store, watch.Options{Name: "fake", Log: slog.New(r.log)})
	r.run()
	r.want(queries...)
	pass(time.Second)
	return r, c, queries
}

// A node that fails is noticed in several ways. What is noticed in vain, of what was just
// asked, does not keep the connections from what changes meanwhile.
func TestNoticesInVain(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r, sentinel, queries := crowd(t, 1000)
		for _, q := range queries[:300] {
			r.Set(q, "changed")
		}
		pass(5 * time.Second)
		r.hasAll(queries)
		before := r.Counts().Total
		sentinel.cries <- watch.Notice{Stale: queries[:300]}
		synctest.Wait()
		r.Set(queries[900], "changed, too")
		pass(1500 * time.Millisecond)
		r.has(queries[900], "changed, too")
		pass(time.Minute)
		if n := r.Counts().Total - before; n > 4*300 {
			t.Errorf("%d questions for 300 notices", n)
		}
	})
}

// A server may know of a change later than the sentinel.
func TestNoticeOfWhatTheServerDoesNotKnowYet(t *testing.T) {
	for _, late := range []time.Duration{10 * time.Millisecond, 500 * time.Millisecond, 1500 * time.Millisecond} {
		t.Run(late.String(), func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				r, sentinel, queries := crowd(t, 1000)
				for _, q := range queries[:100] { // so that the first is not asked any more
					r.Set(q, "changed")
					pass(10 * time.Millisecond)
				}
				pass(5 * time.Second)
				sentinel.Overlook(queries[0])
				sentinel.cries <- watch.Notice{Stale: queries[:1]}
				pass(late)
				r.Set(queries[0], "late")
				pass(1200 * time.Millisecond)
				r.has(queries[0], "late")
			})
		})
	}
}
