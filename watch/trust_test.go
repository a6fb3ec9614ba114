package watch_test

import (
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ctmpl/ctmpl/watch"
)

func TestDoubtWakesWithoutAChange(t *testing.T) {
	t.Parallel()
	s := watch.NewStore()
	s.Put(key(1), "a")
	s.Take()
	woken(s)
	for _, tc := range []struct {
		why  string
		wake bool
	}{{"", false}, {"x", true}, {"x", false}, {"y", true}, {"", true}, {"", false}} {
		s.Doubt(key(1), tc.why)
		if got := woken(s); got != tc.wake || s.Doubted(key(1)) != tc.why || len(s.Take()) > 0 {
			t.Errorf("doubt %q: woken %v, doubted %q", tc.why, got, s.Doubted(key(1)))
		}
	}
	if s.Doubted(key(2)) != "" {
		t.Error("another query is doubted")
	}
}

func TestDoubtsAreForgotten(t *testing.T) {
	t.Parallel()
	s := watch.NewStore()
	for i := range 3 {
		s.Put(key(i), "a")
		s.Doubt(key(i), "x")
	}
	s.Drop(key(0))
	s.Keep(func(q watch.Query) bool { return q == key(1) })
	for i, want := range []string{"", "x", ""} {
		if got := s.Doubted(key(i)); got != want {
			t.Errorf("%s is doubted: %q, want %q", key(i), got, want)
		}
	}
}

// doubted checks what the store says against the answer to a query.
func (r *rig) doubted(q watch.Query, want string) {
	r.t.Helper()
	if got := r.store.Doubted(q); got != want {
		r.t.Errorf("%s is doubted: %q, want %q", q, got, want)
	}
}

// anew is the doubt after the source was seen to begin anew at a time.
func anew(at time.Time) string { return "Consul's state began anew at " + at.Format(time.TimeOnly) }

func TestDoubtComesWithTheAnswer(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, watch.Options{})
		q := r.keys(1)[0]
		r.run()
		r.want(q)
		r.store.Take()
		woken(r.store)
		r.Doubt(q, "x")
		synctest.Wait()
		r.doubted(q, "x")
		if !woken(r.store) || len(r.store.Take()) > 0 {
			t.Error("want a wake-up, and no change")
		}
		pass(5 * time.Minute)
		r.doubted(q, "x")
		r.Doubt(q, "")
		synctest.Wait()
		r.doubted(q, "")
		r.Doubt(q, "x")
		r.want()
		r.doubted(q, "")
	})
}

// TestBeganAnew has a source begin anew in each way in which that can be seen. The one
// query that sees it is enough for the others.
func TestBeganAnew(t *testing.T) {
	for name, restart := range map[string]func(r *rig){
		"after an outage": func(r *rig) {
			r.FailAll(errUnreachable)
			pass(20 * time.Second)
			r.Restart()
			r.FailAll(nil)
		},
		"after errors of each query": func(r *rig) {
			r.FailAll(errBroken)
			pass(20 * time.Second)
			r.Restart()
			r.FailAll(nil)
		},
		"without a fault": func(r *rig) { r.Restart() },
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				r := newRig(t, watch.Options{Retry: watch.Retry{MaxBackoff: 5 * time.Second}})
				queries := r.keys(10)
				file := watch.Query{Kind: watch.KindFile, Name: "f"}
				other := watch.Query{Kind: watch.KindKey, Name: "k0000", Params: "dc=other"}
				r.Set(other, "x")
				r.run()
				r.want(append(queries, other)...)
				r.store.Put(file, "text")
				r.SetVersion(other, "x", 1000) // it does not begin anew
				pass(time.Second)
				r.doubted(queries[0], "")
				restart(r)
				r.SetVersion(other, "x", 1001)
				r.store.Take()
				woken(r.store)
				for !woken(r.store) {
					pass(100 * time.Millisecond)
				}
				noticed := time.Now()
				synctest.Wait()
				why := r.store.Doubted(queries[0])
				if seconds := noticed.Sub(clock(t, why)) % (24 * time.Hour); seconds < 0 || seconds > 2*time.Second {
					t.Errorf("%q at %s", why, noticed.Format(time.TimeOnly))
				}
				for _, q := range queries {
					r.doubted(q, why)
				}
				r.doubted(file, "")
				r.doubted(other, "")
				if n := len(r.store.Take()); n > 0 {
					t.Errorf("%d changes, and nothing has changed", n)
				}
				if lines := r.log.lines(slog.LevelWarn); len(lines) == 0 {
					t.Error("nothing is said of it")
				}

				pass(110 * time.Second)
				r.set(queries[1], "new")
				for _, q := range queries {
					r.doubted(q, why)
				}
				r.store.Take()
				woken(r.store)
				pass(10 * time.Second) // no answer comes now
				for _, q := range queries {
					r.doubted(q, "")
				}
				if !woken(r.store) {
					t.Error("the end of the doubt wakes nobody")
				}
			})
		})
	}
}

// clock reads the time of day in a doubt.
func clock(t *testing.T, why string) time.Time {
	t.Helper()
	var h, m, s int
	if _, err := fmt.Sscanf(why, "Consul's state began anew at %d:%d:%d", &h, &m, &s); err != nil {
		t.Fatalf("%q: %v", why, err)
	}
	now := time.Now()
	return time.Date(now.Year(), now.Month(), now.Day(), h, m, s, 0, now.Location())
}

// The answer that shows it comes with the doubt: nobody may see it without.
func TestEmptyAnswerAfterARestartIsDoubted(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, watch.Options{})
		q := watch.Query{Kind: watch.KindService, Name: "web"}
		instances := []*watch.ServiceInstance{{ID: "a"}}
		r.SetVersion(q, instances, 1882)
		r.run()
		r.want(q)
		r.FailAll(errUnreachable)
		pass(time.Second)
		r.SetVersion(q, []*watch.ServiceInstance{}, 11)
		r.FailAll(nil)
		r.store.Take()
		woken(r.store)
		seen := make(chan string)
		go func() {
			for range r.store.Changed() {
				if v, _, _ := r.store.Get(q); len(v.([]*watch.ServiceInstance)) == 0 {
					seen <- r.store.Doubted(q)
					return
				}
			}
		}()
		if why := <-seen; why == "" {
			t.Error("the empty answer is there without a doubt")
		}
		// A second restart within the time counts from then on.
		pass(time.Minute)
		r.SetVersion(q, instances, 20)
		pass(10 * time.Second)
		r.SetVersion(q, []*watch.ServiceInstance{}, 12)
		pass(time.Minute) // of its hold: the index that it waits for is too high
		second := r.store.Doubted(q)
		pass(100 * time.Second)
		r.doubted(q, second)
		pass(20 * time.Second)
		r.doubted(q, "")
	})
}

// What falls by itself shows nothing: the index of a prefix whose deleted keys are
// forgotten, of a service that is not there, of a node; and what is no index of
// Consul's at all.
func TestIndexesThatMayFall(t *testing.T) {
	pairs := []*watch.KeyPair{{Path: "a/b"}}
	for name, tc := range map[string]struct {
		q             watch.Query
		before, after any
		anew          bool
	}{
		"prefix":                 {watch.Query{Kind: watch.KindPrefix, Name: "a"}, pairs, pairs, false},
		"empty prefix":           {watch.Query{Kind: watch.KindPrefix, Name: "a"}, pairs, []*watch.KeyPair{}, true},
		"prefix, empty before":   {watch.Query{Kind: watch.KindPrefix, Name: "a"}, []*watch.KeyPair{}, pairs, false},
		"service, empty before":  {watch.Query{Kind: watch.KindService, Name: "web"}, []*watch.ServiceInstance{}, []*watch.ServiceInstance{}, false},
		"service":                {watch.Query{Kind: watch.KindService, Name: "web"}, []*watch.ServiceInstance{{}}, []*watch.ServiceInstance{{}}, true},
		"service of a peer":      {watch.Query{Kind: watch.KindService, Name: "web", Params: "peer=x"}, []*watch.ServiceInstance{{}}, []*watch.ServiceInstance{}, false},
		"node":                   {watch.Query{Kind: watch.KindNode, Name: "n"}, &watch.NodeDetail{Services: []*watch.NodeService{{}}}, &watch.NodeDetail{}, false},
		"list of services":       {watch.Query{Kind: watch.KindServices}, []*watch.ServiceSummary{{}}, []*watch.ServiceSummary{}, true},
		"key":                    {key(1), "x", nil, true},
		"key, missing before":    {key(1), nil, "x", false},
		"lookup":                 {watch.Query{Kind: watch.KindLookup, Name: "x"}, watch.Lookup{Found: true}, watch.Lookup{}, true},
		"lookup, missing before": {watch.Query{Kind: watch.KindLookup, Name: "x"}, watch.Lookup{}, watch.Lookup{}, false},
		"connect":                {watch.Query{Kind: watch.KindConnect, Name: "x"}, []*watch.ServiceInstance{{}}, []*watch.ServiceInstance{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				r := newRig(t, watch.Options{})
				r.SetVersion(tc.q, tc.before, 100)
				r.run()
				r.want(tc.q)
				r.SetVersion(tc.q, tc.after, 99)
				pass(61 * time.Second)
				if got := r.store.Doubted(tc.q) != ""; got != tc.anew {
					t.Errorf("doubted: %v, want %v", got, tc.anew)
				}
			})
		})
	}
}

// A Consul that was set up anew comes with a new token, which replaces the source. The
// store has seen the indexes of before.
func TestBeganAnewUnderAnotherScheduler(t *testing.T) {
	for name, keeps := range map[string]bool{"the same place": true, "another place": false} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				r := newRig(t, watch.Options{})
				q := key(1)
				r.SetVersion(q, "x", 100)
				r.run()
				r.want(q)
				r.stop()
				<-r.ended
				if !keeps {
					r.store.Keep(func(watch.Query) bool { return false })
				}
				r.SetVersion(q, "x", 5)
				r.ended = make(chan struct{})
				r.sched = watch.NewScheduler(r.Source, r.store, watch.Options{})
				r.run()
				r.want(q)
				if got := r.store.Doubted(q) != ""; got != keeps {
					t.Errorf("doubted: %v, want %v", got, keeps)
				}
			})
		})
	}
}

// An agent that is restarted within a moment is not seen to be gone by the queries that
// are asked a moment later, and then wait for an index that is too high.
func TestQuickRestart(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, watch.Options{})
		queries := r.keys(50)
		r.run()
		r.want(queries...)
		r.Restart()
		r.Fail(queries[0], errCutOff)
		synctest.Wait()
		for _, q := range queries {
			r.Set(q, "new")
		}
		r.Fail(queries[0], nil)
		pass(2 * time.Second)
		r.hasAll(queries)
		if c := r.Counts(); c.Double > 0 || c.Running != len(queries) {
			t.Errorf("%+v", c)
		}
	})
}
