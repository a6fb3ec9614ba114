package watch_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ctmpl/ctmpl/watch"
)

func TestEachQueryBlocksWhileTheyFit(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, watch.Options{})
		queries := r.keys(160)
		r.run()
		r.want(queries...)
		r.hasAll(queries)
		if c := r.Counts(); c.Running != 160 || c.Total != 320 {
			t.Errorf("%+v, want each asked twice and waiting", c)
		}
		r.set(queries[7], "second")
		r.has(queries[7], "second")
		if got := r.Fetches(queries[7]); got != 3 {
			t.Errorf("the changed query was asked %d times, want 3", got)
		}
		pass(61 * time.Second)
		if c := r.Counts(); c.Running != 160 || c.Total != 321+160 {
			t.Errorf("%+v, want each asked once more", c)
		}
	})
}

func TestHoldIsWhatTheOptionSays(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, watch.Options{Hold: 7 * time.Second})
		c := r.record()
		r.run()
		r.want(r.keys(1)...)
		got := c.take()
		if len(got) != 2 || got[0].after != 0 || got[1].after == 0 || got[1].hold != 7*time.Second {
			t.Errorf("asked %v", got)
		}
	})
}

func TestManyQueriesShareTheConnections(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, watch.Options{})
		r.Slow(func(watch.Query) time.Duration { return time.Millisecond })
		queries := r.keys(5000)
		r.run()
		r.want(queries...)
		pass(100 * time.Millisecond) // 5,000 answers of 1 ms over 160 connections
		r.hasAll(queries)

		pass(20 * time.Second)
		before := r.Counts()
		for i := 0; i < len(queries); i += 97 {
			r.Set(queries[i], "changed")
		}
		pass(11 * time.Second)
		r.hasAll(queries)
		after := r.Counts()
		if after.Peak > 160 || after.Double > 0 {
			t.Errorf("%d at once, want at most 160; %d asked while under way", after.Peak, after.Double)
		}
		if n := after.Total - before.Total; n < 5000 || n > 6000 {
			t.Errorf("%d questions in 11 s, want about 5,500", n)
		}
	})
}

// With an index that moves with every change in Consul, as that of a service that
// does not exist, no query would ever wait, and 5,000 of them would be asked as
// fast as the network allows.
func TestManyQueriesWithANervousIndex(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, watch.Options{})
		r.Slow(func(watch.Query) time.Duration { return time.Millisecond })
		queries := r.keys(5000)
		r.run()
		r.want(queries...)
		pass(time.Second)
		before := r.Counts()
		for range 20 {
			for _, q := range queries {
				r.Set(q, r.Value(q))
			}
			pass(500 * time.Millisecond)
		}
		if n := r.Counts().Total - before.Total; n > 8000 {
			t.Errorf("%d questions in 10 s, want about one for each query", n)
		}
		r.Set(queries[4711], "changed")
		pass(11 * time.Second)
		r.hasAll(queries)
	})
}

func TestNewQueryIsAskedAtOnce(t *testing.T) {
	for _, waiting := range []int{20, 21, 25, 200} {
		for _, added := range []int{1, 2, 5, 10, 20, 50, 500} {
			t.Run(fmt.Sprint(waiting, "+", added), func(t *testing.T) {
				virtual(t, func(t *testing.T) {
					r := newRig(t, watch.Options{Connections: 20})
					queries := r.keys(waiting + added)
					r.run()
					r.want(queries[:waiting]...)
					pass(3 * time.Second)
					r.Slow(func(watch.Query) time.Duration { return time.Millisecond })
					r.want(queries...)
					pass(time.Duration(added/20+3) * time.Millisecond)
					r.hasAll(queries)
					if c := r.Counts(); c.Peak > 20 || c.Double > 0 {
						t.Errorf("%+v", c)
					}
					for _, q := range queries {
						r.Set(q, "changed")
					}
					pass(11 * time.Second)
					r.hasAll(queries)
					r.logged(slog.LevelWarn) // taking a connection back is no failure
				})
			})
		}
	}
}

// A connection that is taken back is closed, so that must not happen to all of them
// for each query that a template finds out about.
func TestFewConnectionsAreTakenBack(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, watch.Options{Connections: 20})
		queries := r.keys(60)
		r.run()
		r.want(queries[:30]...)
		pass(20 * time.Second)
		before := r.Counts()
		for n := 31; n <= 60; n++ {
			r.want(queries[:n]...)
			r.hasAll(queries[:n])
			pass(10 * time.Millisecond)
		}
		// For each new query its first answer, the one whose place it took, and itself
		// again.
		if n := r.Counts().Total - before.Total; n > 3*30 {
			t.Errorf("%d questions for 30 new queries", n)
		}
	})
}

func TestSetIsCopied(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, watch.Options{})
		queries := r.keys(2)
		set := watch.Set{}
		set.Add(queries[0])
		r.sched.Want(set) // before Run
		delete(set, queries[0])
		r.run()
		r.has(queries[0], "first 0")
		r.has(queries[1], nil)
	})
}

func TestUnwantedQueryIsForgotten(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, watch.Options{Connections: 2})
		queries := r.keys(3)
		r.run()
		r.want(queries[0], queries[1])
		r.want(queries[1])
		if r.Running(queries[0]) {
			t.Error("a query that nobody wants is asked on")
		}
		r.has(queries[0], nil)
		r.set(queries[0], "second")
		r.has(queries[0], nil)
		r.want(queries[1], queries[2]) // its connection is free again
		r.has(queries[2], "first 2")
		r.want()
		if c := r.Counts(); c.Running != 0 {
			t.Errorf("%d questions under way, and none is wanted", c.Running)
		}
	})
}

// The answer to a query that was dropped while it was under way is not kept.
func TestLateAnswerIsDropped(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, watch.Options{})
		queries := r.keys(1)
		r.deaf(watch.Options{})
		r.run()
		r.want(queries...)
		r.want()
		if !r.Running(queries[0]) {
			t.Fatal("the test needs a query under way")
		}
		r.set(queries[0], "late")
		r.has(queries[0], nil)
	})
}

func TestQueryIsWantedAgainWhileUnderWay(t *testing.T) {
	for _, cause := range []string{"cancelled", "answered"} {
		t.Run(cause, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				opt := watch.Options{Hold: 10 * time.Second}
				r := newRig(t, opt)
				queries := r.keys(1)
				if cause == "answered" {
					r.deaf(opt)
					r.lingers = opt.Hold
				}
				r.run()
				r.want(queries...)
				pass(time.Second)
				for range 3 {
					r.want()
					r.has(queries[0], nil)
					r.want(queries...)
				}
				r.Set(queries[0], "second")
				pass(11 * time.Second)
				r.has(queries[0], "second")
				if c := r.Counts(); c.Double > 0 || c.Running != 1 {
					t.Errorf("%+v: the query was asked twice at once", c)
				}
			})
		})
	}
}

// A query that is wanted again starts at 0, also when it was still under way.
func TestQueryWantedAgainIsAsNew(t *testing.T) {
	virtual(t, func(t *testing.T) {
		opt := watch.Options{Connections: 10}
		r := newRig(t, opt)
		r.sched = watch.NewScheduler(lingerer{r.Source}, r.store, opt)
		r.lingers = lingering
		queries := r.keys(500)
		r.run()
		r.want(queries...)
		pass(15 * time.Second)
		i := slices.IndexFunc(queries, r.Running)
		r.want(slices.Delete(slices.Clone(queries), i, i+1)...)
		r.want(queries...)
		pass(lingering)
		r.has(queries[i], r.Value(queries[i]))
	})
}

// deafSource does not listen to its context.
type deafSource struct{ watch.Source }

func (d deafSource) Fetch(ctx context.Context, q watch.Query, after uint64, hold time.Duration) (watch.Answer, error) {
	return d.Source.Fetch(context.WithoutCancel(ctx), q, after, hold)
}

// deaf makes the source not listen to contexts.
func (r *rig) deaf(opt watch.Options) {
	r.sched = watch.NewScheduler(deafSource{r.Source}, r.store, opt)
}

func TestIndexGoesBack(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, watch.Options{})
		c := r.record()
		q := key(1)
		r.SetVersion(q, "before", 1882)
		r.run()
		r.want(q)
		r.has(q, "before")
		r.SetVersion(q, "after", 11) // too low to wake anybody
		pass(61 * time.Second)
		r.has(q, "after")
		r.set(q, "changed") // 2: lower still
		r.SetVersion(q, "changed", 12)
		synctest.Wait()
		r.has(q, "changed")

		var afters []uint64
		for _, call := range c.take() {
			afters = append(afters, call.after)
		}
		if want := []uint64{0, 1882, 0, 11, 12}; !slices.Equal(afters, want) {
			t.Errorf("asked with the indexes %v, want %v", afters, want)
		}
	})
}

func TestNothingKeepsTheLastValue(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, watch.Options{})
		q := key(1)
		r.run()
		r.want(q)
		r.has(q, nil)
		if n := r.Fetches(q); n != 2 || !r.Running(q) {
			t.Errorf("a query without an answer was asked %d times, want 2 and waiting", n)
		}
		r.set(q, "value")
		r.has(q, "value")
		r.set(q, nil)
		r.has(q, "value")
		r.set(q, "again")
		r.has(q, "again")
	})
}

// An answer without an index, as a proxy that drops unknown headers gives it.
func TestVersionZero(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, watch.Options{})
		q := key(1)
		r.Impatient(true)
		r.SetVersion(q, "first", 0)
		r.run()
		r.want(q)
		r.has(q, "first")
		r.SetVersion(q, "second", 0)
		pass(2 * time.Second)
		r.has(q, "second")
	})
}

// A source that does not hold its answers is polled, at a bounded rate.
func TestImpatientSourceIsNotHammered(t *testing.T) {
	for _, n := range []int{1, 100, 5000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				r := newRig(t, watch.Options{})
				r.Impatient(true)
				r.Slow(func(watch.Query) time.Duration { return time.Millisecond })
				queries := r.keys(n)
				r.run()
				r.want(queries...)
				pass(5 * time.Second)
				before := r.Counts().Total
				pass(10 * time.Second)
				if asked := r.Counts().Total - before; asked > min(10*n, 6000)+n {
					t.Errorf("%d questions in 10 s for %d queries", asked, n)
				}
				r.Set(queries[n/2], "changed")
				pass(11 * time.Second)
				r.hasAll(queries)
			})
		})
	}
}

func TestFlappingQueryIsPaced(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, watch.Options{})
		queries := r.keys(2)
		r.run()
		r.want(queries...)
		before := r.Fetches(queries[0])
		for i := range 10_000 {
			r.Set(queries[0], i)
			pass(time.Millisecond)
		}
		if n := r.Fetches(queries[0]) - before; n < 90 || n > 120 {
			t.Errorf("asked %d times in 10 s, want about 110", n)
		}
		pass(time.Second)
		r.has(queries[0], 9999)
		r.set(queries[1], "calm") // it suffers nothing from it
		r.has(queries[1], "calm")
		pass(5 * time.Second)
		r.set(queries[0], "calm") // and neither does it later on
		r.has(queries[0], "calm")
	})
}

func TestAQueryThatWakesInVainIsAskedLessOften(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, watch.Options{})
		q := r.keys(1)[0]
		r.set(q, "same")
		r.run()
		r.want(q)
		for range 10 { // each of which counts for itself
			r.set(q, "same")
			pass(2 * time.Second)
			if !r.Running(q) {
				t.Fatal("it does not wait for a change")
			}
		}
		before := r.Fetches(q)
		for range 100 {
			r.set(q, "same")
			pass(100 * time.Millisecond)
		}
		if n := r.Fetches(q) - before; n < 35 || n > 50 {
			t.Errorf("asked %d times in 10 s, want about 40", n)
		}
		r.set(q, "another")
		pass(250 * time.Millisecond)
		r.has(q, "another")
		r.set(q, "the next") // it is asked as ever
		r.has(q, "the next")
	})
}

func TestRunEndsInAnyState(t *testing.T) {
	for name, prepare := range map[string]func(*rig){
		"nothing wanted": func(*rig) {},
		"all waiting":    func(r *rig) { r.want(r.keys(20)...) },
		"taking turns":   func(r *rig) { r.want(r.keys(200)...); pass(3 * time.Second) },
		"slow answers": func(r *rig) {
			r.Slow(func(watch.Query) time.Duration { return time.Hour })
			r.want(r.keys(200)...)
		},
		"unreachable": func(r *rig) { r.want(r.keys(200)...); r.FailAll(errUnreachable); pass(time.Second) },
		"failing": func(r *rig) {
			r.want(r.keys(200)...)
			r.FailAll(fmt.Errorf("no"))
			pass(time.Second)
		},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				r := newRig(t, watch.Options{Connections: 30})
				r.run()
				prepare(r)
				r.stop()
				synctest.Wait() // goroutines that are left fail the test
				<-r.ended
				if r.err != nil {
					t.Errorf("Run: %v", r.err)
				}
				if c := r.Counts(); c.Running > 0 {
					t.Errorf("%d questions are still under way", c.Running)
				}
			})
		})
	}
}

func TestVeryLongAnswerIsTold(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, watch.Options{})
		q := watch.Query{Kind: watch.KindDatacenters}
		r.Set(q, make([]string, 20_000))
		r.run()
		r.want(q)
		r.set(q, make([]string, 20_001))
		r.logged(slog.LevelWarn, `an answer is very long: each change of it takes its time, as all of it is read again query=datacenters length=20000`)
	})
}
