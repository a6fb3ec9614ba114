package watch_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ctmpl/ctmpl/watch"
)

// woken tells whether a wake-up is pending, and takes it.
func woken(s *watch.Store) bool {
	select {
	case <-s.Changed():
		return true
	default:
		return false
	}
}

func TestStoreKeepsTheNewest(t *testing.T) {
	t.Parallel()
	s := watch.NewStore()
	if v, rev, ok := s.Get(key(1)); v != nil || rev != 0 || ok {
		t.Errorf("an empty store has %v, %d, %v", v, rev, ok)
	}
	s.Put(key(1), "a")
	_, first, _ := s.Get(key(1))
	s.Put(key(2), "b")
	s.Put(key(1), "c")
	v, second, ok := s.Get(key(1))
	if v != "c" || !ok || first == 0 || second <= first {
		t.Errorf("got %v, %v; the revision went from %d to %d", v, ok, first, second)
	}
}

func TestEqualValueIsNoChange(t *testing.T) {
	t.Parallel()
	s := watch.NewStore()
	value := func() any {
		return []*watch.ServiceInstance{{ID: "a", Tags: []string{"x"}, NodeMeta: map[string]string{"k": "v"}}}
	}
	s.Put(key(1), value())
	_, rev, _ := s.Get(key(1))
	woken(s)
	s.Take()
	s.Put(key(1), value())
	if _, again, _ := s.Get(key(1)); again != rev || woken(s) || len(s.Take()) > 0 {
		t.Error("an equal value counts as a change")
	}
	s.Put(key(1), "another type")
	if _, again, _ := s.Get(key(1)); again == rev || !woken(s) {
		t.Error("a value of another type does not count as a change")
	}
}

func TestEmptyValuesAreValues(t *testing.T) {
	t.Parallel()
	s := watch.NewStore()
	for _, v := range []any{"", []*watch.KeyPair{}, watch.Lookup{}} {
		s.Put(key(1), v)
		if got, _, ok := s.Get(key(1)); !ok || !cmp.Equal(got, v) || !woken(s) {
			t.Errorf("%#v is not kept", v)
		}
	}
}

func TestWakeUpsCollapse(t *testing.T) {
	t.Parallel()
	s := watch.NewStore()
	for i := range 10 {
		s.Put(key(i%3), i)
	}
	if !woken(s) || woken(s) {
		t.Error("want exactly one wake-up")
	}
	if diff := cmp.Diff(map[watch.Query]watch.Change{key(0): {}, key(1): {}, key(2): {}}, s.Take()); diff != "" {
		t.Errorf("taken (-want +got)\n%s", diff)
	}
	if len(s.Take()) > 0 {
		t.Error("changes are taken twice")
	}
}

func TestDrop(t *testing.T) {
	t.Parallel()
	s := watch.NewStore()
	s.Put(key(1), "a")
	s.Put(key(2), "b")
	_, before, _ := s.Get(key(1))
	s.Drop(key(1))
	s.Drop(key(3)) // never there
	if _, _, ok := s.Get(key(1)); ok {
		t.Error("a dropped answer is still there")
	}
	if diff := cmp.Diff(map[watch.Query]watch.Change{key(2): {}}, s.Take()); diff != "" {
		t.Errorf("taken (-want +got)\n%s", diff)
	}
	s.Put(key(1), "a") // the same value is new again
	if _, rev, ok := s.Get(key(1)); !ok || rev <= before {
		t.Errorf("revision %d, was %d before the drop", rev, before)
	}
}

func TestStoreIsSafeForSeveralGoroutines(t *testing.T) {
	t.Parallel()
	s := watch.NewStore()
	const writers, values = 8, 500
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := range values {
				s.Put(key(w), fmt.Sprint(i))
				s.Get(key(i % writers))
				if i%50 == 0 {
					s.Drop(key(writers)) // one that nobody puts
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { group.Wait(); close(done) }()
	seen := map[watch.Query]any{}
	note := func() {
		for q := range s.Take() {
			seen[q], _, _ = s.Get(q)
		}
	}
	for running := true; running; {
		select {
		case <-s.Changed():
			note()
		case <-done:
			running = false
		}
	}
	note()
	for w := range writers {
		if seen[key(w)] != fmt.Sprint(values-1) {
			t.Errorf("the reader's last value of %s is %v", key(w), seen[key(w)])
		}
	}
}
