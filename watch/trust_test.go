package watch_test

import (
	"context"
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

// What falls by itself shows nothing: the index of a prefix whose deleted keys are
// forgotten, or that is deleted with what is around it, of a service that is not there, of
// a node; and what is no index of Consul's at all.
func TestIndexesThatMayFall(t *testing.T) {
	pairs := []*watch.KeyPair{{Path: "a/b"}}
	for name, tc := range map[string]struct {
		q             watch.Query
		before, after any
		anew          bool
	}{
		"prefix":                 {watch.Query{Kind: watch.KindPrefix, Name: "a"}, pairs, pairs, false},
		"empty prefix":           {watch.Query{Kind: watch.KindPrefix, Name: "a"}, pairs, []*watch.KeyPair{}, false},
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
			virtual(t, func(t *testing.T) { falls(t, tc.q, tc.before, tc.after, 99, tc.anew) })
		})
	}
}

// falls checks what is made of an index that falls from 100.
func falls(t *testing.T, q watch.Query, before, after any, index uint64, anew bool) {
	r := newRig(t, watch.Options{})
	r.SetVersion(q, before, 100)
	r.run()
	r.want(q)
	r.SetVersion(q, after, index)
	pass(61 * time.Second)
	if got := r.store.Doubted(q) != ""; got != anew {
		t.Errorf("doubted: %v, want %v", got, anew)
	}
}

// The index of all keys is 1 where there never was one. That of a service is 1 while the agent has
// not read it yet.
func TestIndexesThatFallToOne(t *testing.T) {
	for _, tc := range []struct {
		q             watch.Query
		before, after any
		anew          bool
	}{
		{watch.Query{Kind: watch.KindPrefix, Name: "a"}, []*watch.KeyPair{{Path: "a/b"}}, []*watch.KeyPair{}, true},
		{watch.Query{Kind: watch.KindService, Name: "web"}, []*watch.ServiceInstance{{}}, []*watch.ServiceInstance{}, false},
	} {
		t.Run(tc.q.Kind, func(t *testing.T) {
			virtual(t, func(t *testing.T) { falls(t, tc.q, tc.before, tc.after, 1, tc.anew) })
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
		r.keys(50)
		queries := r.keys(50) // with higher indexes than they will have
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

// Another datacenter has a Consul of its own.
func TestAnotherDatacenterBeganAnew(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, watch.Options{})
		here, there, also := key(1), key(1), key(2)
		there.Params, also.Params = "dc=other", "dc=other"
		for _, q := range []watch.Query{here, there, also} {
			r.SetVersion(q, "x", 100)
		}
		r.run()
		r.want(here, there, also)
		r.SetVersion(there, "x", 5)
		pass(61 * time.Second)
		if r.store.Doubted(there) == "" || r.store.Doubted(also) == "" {
			t.Error("the other datacenter is trusted")
		}
		r.doubted(here, "")
		r.SetVersion(here, "x", 5) // what was seen of it still counts
		pass(61 * time.Second)
		if r.store.Doubted(here) == "" {
			t.Error("this one is trusted")
		}
	})
}

// A place that is not asked any more is not doubted.
func TestDoubtOfAnotherPlaceIsForgotten(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, watch.Options{})
		r.SetVersion(key(1), "x", 100)
		r.run()
		r.want(key(1))
		r.SetVersion(key(1), "x", 5)
		pass(61 * time.Second)
		r.store.Keep(func(q watch.Query) bool { return q == key(1) })
		if r.store.Doubted(key(1)) == "" {
			t.Error("the doubt is forgotten, though the answers are not")
		}
		r.store.Keep(func(q watch.Query) bool { return q.Kind == watch.KindFile })
		r.doubted(key(1), "")
	})
}

// plainSource has versions of its own, as a catalog file does that is opened again.
type plainSource struct{ watch.Source }

func (s plainSource) Fetch(ctx context.Context, q watch.Query, after uint64, hold time.Duration) (watch.Answer, error) {
	answer, err := s.Source.Fetch(ctx, q, after, hold)
	answer.Indexed = false
	return answer, err
}

func TestVersionsThatAreNoIndexes(t *testing.T) {
	virtual(t, func(t *testing.T) {
		r := newRig(t, watch.Options{})
		r.sched = watch.NewScheduler(plainSource{r.Source}, r.store, watch.Options{})
		r.SetVersion(key(1), "x", 100)
		r.run()
		r.want(key(1))
		r.SetVersion(key(1), "y", 5)
		pass(61 * time.Second)
		r.has(key(1), "y")
		r.doubted(key(1), "")
	})
}
