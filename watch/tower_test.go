package watch_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ctmpl/ctmpl/watch"
	"github.com/ctmpl/ctmpl/watch/watchtest"
)

// guardedRig is a rig whose source is a sentinel.
func guardedRig(t *testing.T, opt watch.Options, n int) (*rig, *watchtest.Sentinel, []watch.Query) {
	sentinel := watchtest.NewSentinel()
	r := newRig(t, opt)
	r.Source = sentinel.Source
	opt.Name, opt.Log = "fake", slog.New(r.log)
	r.sched = watch.NewScheduler(sentinel, r.store, opt)
	return r, sentinel, r.keys(n)
}

func TestManyQueriesAreLookedAfter(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r, _, queries := guardedRig(t, watch.Options{}, 5000)
		r.Slow(func(watch.Query) time.Duration { return time.Millisecond })
		r.run()
		r.want(queries...)
		pass(time.Second)
		r.hasAll(queries)
		if c := r.Counts(); c.Total != 5000 || c.Running != 0 {
			t.Errorf("%+v, want each asked once", c)
		}
		pass(10 * time.Minute)
		if c := r.Counts(); c.Total != 5000 {
			t.Errorf("%d questions though nothing changed", c.Total-5000)
		}
		r.Set(queries[4711], "changed")
		pass(5 * time.Millisecond)
		r.has(queries[4711], "changed")
		if c := r.Counts(); c.Running != 1 || c.Total > 5003 {
			t.Errorf("%+v, want the changed one to wait for its next change", c)
		}
		pass(time.Hour)
		if c := r.Counts(); c.Running > 1 || c.Total > 5000+3*5000 || c.Total < 2*5000 {
			t.Errorf("%+v, want each asked again now and then", c)
		}
	})
}

// Where many change, each once, most get no blocking query of their own, and are asked once for it.
func TestManyThatChangeOnceAreAskedOnce(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r, _, queries := guardedRig(t, watch.Options{}, 1000)
		r.run()
		r.want(queries...)
		pass(time.Second)
		for _, q := range queries[:100] { // fill the places for those
			r.Set(q, "changed")
			pass(10 * time.Millisecond)
		}
		before := r.Counts()
		for _, q := range queries[100:200] {
			r.Set(q, "changed")
			pass(10 * time.Millisecond)
		}
		if after := r.Counts(); after.Total-before.Total != 100 || after.Running != before.Running {
			t.Errorf("%d questions for 100 changes; %d wait, %d did before", after.Total-before.Total, after.Running, before.Running)
		}
		r.hasAll(queries[:200])
		r.Set(queries[500], "changed")
		pass(11 * time.Second)
		r.Set(queries[501], "changed") // those have had their time
		pass(10 * time.Millisecond)
		if r.hasAll(queries); !r.Running(queries[501]) {
			t.Error("a change does not get a blocking query though others have not changed for long")
		}
	})
}

func TestWhatChangedLatelyWaitsForItself(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r, sentinel, queries := guardedRig(t, watch.Options{}, 1000)
		sentinel.Late = 200 * time.Millisecond
		r.run()
		r.want(queries...)
		pass(time.Second)
		for i := range 500 {
			r.Set(queries[i], i)
		}
		pass(time.Second)
		r.hasAll(queries)
		if c := r.Counts(); c.Running < 40 || c.Peak > watch.MostWatching-4 || c.Double > 0 {
			t.Errorf("%+v, want some to wait", c)
		}
		hot := 0
		for _, q := range queries {
			if r.Running(q) {
				hot++
				r.set(q, "again")
				r.has(q, "again") // at once, not after 200 ms
			}
		}
		if hot == 0 {
			t.Error("none waits for its next change")
		}
		pass(5 * time.Minute)
		if c := r.Counts(); c.Running != 0 {
			t.Errorf("%+v, want none to wait any more", c)
		}
	})
}

func TestFewQueriesNeedNoSentinel(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r, sentinel, queries := guardedRig(t, watch.Options{}, 161)
		r.run()
		r.want(queries[:160]...)
		pass(time.Minute)
		if n := sentinel.Watches(); n != 0 {
			t.Errorf("%d watches, want none", n)
		}
		r.Slow(func(watch.Query) time.Duration { return time.Millisecond })
		r.want(queries...)
		pass(time.Second)
		r.hasAll(queries)
		if c := r.Counts(); sentinel.Watches() != 1 || c.Running != 0 || c.Peak > 160 {
			t.Errorf("%d watches, %+v, want the sentinel to look after them", sentinel.Watches(), c)
		}
		r.want(queries[:100]...)
		pass(time.Second)
		if c := r.Counts(); c.Running != 100 {
			t.Errorf("%+v, want each to wait for itself again", c)
		}
		r.set(queries[7], "changed")
		r.has(queries[7], "changed")
	})
}

func TestUncoveredQueriesTakeTurns(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r, sentinel, queries := guardedRig(t, watch.Options{}, 1000)
		sentinel.Uncovered = watch.Set{}
		for _, q := range queries[:300] {
			sentinel.Uncovered.Add(q)
		}
		r.run()
		r.want(queries...)
		pass(time.Second)
		r.hasAll(queries)
		for i, q := range queries {
			r.Set(q, i)
		}
		pass(12 * time.Second)
		r.hasAll(queries)
		if c := r.Counts(); c.Peak > watch.MostWatching {
			t.Errorf("%+v", c)
		}
	})
}

// Queries that take turns have the connections that the others do not need, and give them back.
func TestUncoveredQueriesHaveWhatIsIdle(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r, sentinel, queries := guardedRig(t, watch.Options{}, 1000)
		sentinel.Uncovered = watch.Set{}
		for _, q := range queries[:300] {
			sentinel.Uncovered.Add(q)
		}
		r.run()
		r.want(queries...)
		pass(30 * time.Second)
		all := watch.MostWatching - 4
		if c := r.Counts(); c.Running < all*3/4 {
			t.Errorf("%+v, want most connections to be used", c)
		}
		r.Slow(func(watch.Query) time.Duration { return time.Millisecond })
		for _, q := range queries[300:340] {
			r.Set(q, "changed")
		}
		pass(50 * time.Millisecond)
		r.hasAll(queries[300:340])
		for _, q := range queries[300:340] {
			if !r.Running(q) {
				t.Errorf("%s does not wait for its next change", q)
			}
		}
		for i, q := range queries[:300] {
			r.Set(q, i)
		}
		pass(12 * time.Second)
		r.hasAll(queries)
		if c := r.Counts(); c.Peak > watch.MostWatching || c.Double > 0 {
			t.Errorf("%+v", c)
		}
	})
}

// A sentinel takes connections away from what it does not look after. It has to look after more
// than these are good for.
func TestSentinelThatIsNotWorthIt(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r, sentinel, queries := guardedRig(t, watch.Options{}, 800)
		sentinel.Uncovered = watch.Set{}
		for _, q := range queries[:200] {
			sentinel.Uncovered.Add(q)
		}
		r.run()
		r.want(queries[:250]...)
		pass(30 * time.Second)
		if c := r.Counts(); sentinel.Watches() > 0 || c.Running != 160 {
			t.Errorf("%d watches, %+v, want all connections to be used", sentinel.Watches(), c)
		}
		r.want(queries...) // now it is
		pass(time.Second)
		r.hasAll(queries)
		if sentinel.Watches() == 0 {
			t.Error("600 queries are not looked after")
		}
		r.want(queries[:250]...)
		pass(15 * time.Second)
		if c := r.Counts(); c.Running != 160 {
			t.Errorf("%+v, want all connections to be used again", c)
		}
	})
}

func TestSentinelFails(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r, sentinel, queries := guardedRig(t, watch.Options{}, 1000)
		r.run()
		r.want(queries...)
		pass(time.Second)
		sentinel.FailWatch(errors.New("it is not allowed"))
		pass(time.Second)
		r.logged(slog.LevelWarn, "sentinels cannot look after the queries: they take turns for now queries=1000 error=it is not allowed")
		for i, q := range queries {
			r.Set(q, i)
		}
		pass(15 * time.Second)
		r.hasAll(queries)
		if n := sentinel.Watches(); n > 8 {
			t.Errorf("%d tries in 15 s", n)
		}
		sentinel.FailWatch(nil)
		for n := sentinel.Watches(); sentinel.Watches() == n; {
			pass(time.Second) // until it is tried again
		}
		pass(11 * time.Second)
		before := r.Counts().Total
		pass(time.Minute)
		if n := r.Counts().Total - before; n > 1000 {
			t.Errorf("%d questions in a minute in which nothing happened", n)
		}
		for i, q := range queries {
			r.Set(q, -i)
		}
		pass(2 * time.Second)
		r.hasAll(queries)
	})
}

func TestSentinelThatMissesSomethingIsNotTrusted(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r, sentinel, queries := guardedRig(t, watch.Options{}, 1000)
		r.run()
		r.want(queries...)
		pass(time.Second)
		sentinel.Overlook(queries[5])
		r.Set(queries[5], "unseen")
		for range 46 {
			if pass(time.Minute); len(r.log.lines(slog.LevelWarn)) > 0 {
				break
			}
		}
		r.has(queries[5], "unseen")
		r.logged(slog.LevelWarn, `the sentinels have missed a change: queries take turns from now on, which is slower query=key "k0005"`)
		r.Set(queries[5], "seen")
		pass(12 * time.Second)
		r.has(queries[5], "seen")
	})
}

func TestNoticeWhileTheQueryIsAsked(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r, _, queries := guardedRig(t, watch.Options{}, 1000)
		r.run()
		r.want(queries...)
		pass(time.Second)
		r.Slow(func(watch.Query) time.Duration { return 300 * time.Millisecond })
		for i := range 10 {
			r.Set(queries[3], i)
			pass(100 * time.Millisecond)
		}
		pass(2 * time.Second)
		r.has(queries[3], 9)
	})
}

func TestOutageOfALookedAfterSource(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r, sentinel, queries := guardedRig(t, watch.Options{}, 1000)
		r.run()
		r.want(queries...)
		pass(time.Second)
		r.FailAll(errUnreachable)
		pass(30 * time.Second)
		r.logged(slog.LevelWarn, "fake cannot be reached")
		before := r.Counts().Total
		pass(30 * time.Second)
		if n := r.Counts().Total - before; n > 20 {
			t.Errorf("%d questions in 30 s of an unreachable source", n)
		}
		r.Restart()
		for i, q := range queries {
			r.Set(q, fmt.Sprint("new ", i))
		}
		r.FailAll(nil)
		pass(16 * time.Second)
		r.hasAll(queries)
		watches, before := sentinel.Watches(), r.Counts().Total
		pass(time.Minute)
		if n := r.Counts().Total - before; n > 1000 || sentinel.Watches() != watches {
			t.Errorf("%d questions, %d watches in a minute after it", n, sentinel.Watches()-watches)
		}
		synctest.Wait()
	})
}

func TestLookedAfterSourceBeginsAnew(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r, _, queries := guardedRig(t, watch.Options{}, 1000)
		r.run()
		r.want(queries...)
		pass(time.Second)
		for i := range queries { // so that the indexes are high
			r.Set(queries[i], "old")
		}
		pass(5 * time.Second)
		r.Restart()
		for _, q := range queries {
			r.SetVersion(q, "new", 2)
		}
		pass(15 * time.Second)
		r.hasAll(queries)
	})
}

// hanging is a sentinel that never becomes ready.
type hanging struct{ *watchtest.Sentinel }

func (hanging) Watch(ctx context.Context, _ func(watch.Notice)) error {
	<-ctx.Done()
	return nil
}

func TestSentinelThatDoesNotStart(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r, sentinel, queries := guardedRig(t, watch.Options{}, 161)
		r.sched = watch.NewScheduler(hanging{sentinel}, r.store, watch.Options{Name: "fake"})
		r.run()
		r.want(queries[:160]...)
		pass(time.Second)
		r.want(queries...)
		pass(time.Second)
		for i, q := range queries {
			r.Set(q, i)
		}
		pass(20 * time.Second)
		r.hasAll(queries)
	})
}
