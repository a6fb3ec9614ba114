package watch_test

import (
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ctmpl/ctmpl/watch"
)

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
