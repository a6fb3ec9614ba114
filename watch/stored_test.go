package watch_test

import (
	"testing"

	"github.com/ctmpl/ctmpl/watch"
)

func TestAnAnswerIsCurrentUntilThereIsAnother(t *testing.T) {
	t.Parallel()
	s := watch.NewStore()
	q := watch.Query{Kind: watch.KindKey, Name: "a"}
	if s.Last(q) != nil {
		t.Error("there is an answer")
	}
	for _, tc := range []struct {
		name    string
		change  func()
		current bool
	}{
		{"the same again", func() { s.Put(q, "1") }, true},
		{"another query", func() { s.Put(watch.Query{Kind: watch.KindKey, Name: "b"}, "1") }, true},
		{"kept", func() { s.Keep(func(watch.Query) bool { return true }) }, true},
		{"another answer", func() { s.Put(q, "2") }, false},
		{"dropped", func() { s.Drop(q) }, false},
		{"not kept", func() { s.Keep(func(watch.Query) bool { return false }) }, false},
	} {
		s.Put(q, "1")
		a := s.Last(q)
		if _, rev, _ := s.Get(q); a.Value != "1" || a.Revision != rev || !a.Current() {
			t.Fatalf("%s: got %+v", tc.name, a)
		}
		if tc.change(); a.Current() != tc.current || a.Value != "1" {
			t.Errorf("%s: current %v, want %v", tc.name, a.Current(), tc.current)
		}
	}
}
