package watch_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ctmpl/ctmpl/watch"
)

func TestRemovals(t *testing.T) {
	t.Parallel()
	at := func(node, id, address string, port int) *watch.ServiceInstance {
		return &watch.ServiceInstance{Node: node, ID: id, Address: address, Port: port}
	}
	list := func(l ...*watch.ServiceInstance) []*watch.ServiceInstance {
		return append([]*watch.ServiceInstance{}, l...)
	}
	a, b, c := at("n1", "a", "10.0.0.1", 80), at("n1", "b", "10.0.0.1", 81), at("n2", "a", "10.0.0.2", 80)
	heavier := *a
	heavier.Weights.Passing = 7
	failed, still := *a, *a
	failed.Status, still.Status = watch.StatusCritical, watch.StatusCritical
	for name, tc := range map[string]struct {
		values []any // put one after the other; all but the first before they are taken
		want   bool
	}{
		"one more":               {[]any{list(a), list(a, b)}, false},
		"the first":              {[]any{list(), list(a, b)}, false},
		"another order":          {[]any{list(a, b), list(b, a)}, false},
		"another weight":         {[]any{list(a, b), list(&heavier, b)}, false},
		"one less":               {[]any{list(a, b), list(a)}, true},
		"none":                   {[]any{list(a), list()}, true},
		"one for another":        {[]any{list(a, b), list(a, c)}, true},
		"one for two others":     {[]any{list(a), list(b, c)}, true},
		"another port":           {[]any{list(a), list(at("n1", "a", "10.0.0.1", 81))}, true},
		"another address":        {[]any{list(a), list(at("n1", "a", "10.0.0.9", 80))}, true},
		"gone, and one more":     {[]any{list(a, b), list(a), list(a, c)}, true},
		"gone, and there again":  {[]any{list(a, b), list(a), list(a, b)}, true},
		"critical":               {[]any{list(a, b), list(&failed, b)}, true},
		"critical still":         {[]any{list(&failed, b), list(&still, c, b)}, false},
		"passing again":          {[]any{list(&failed, b), list(a, b)}, false},
		"something else":         {[]any{"x", "y"}, false},
		"something else instead": {[]any{list(a), "y"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := watch.NewStore()
			s.Put(key(1), tc.values[0])
			if diff := cmp.Diff(map[watch.Query]watch.Change{key(1): {}}, s.Take()); diff != "" {
				t.Errorf("an answer where there was none (-want +got)\n%s", diff)
			}
			for _, v := range tc.values[1:] {
				s.Put(key(1), v)
			}
			if diff := cmp.Diff(map[watch.Query]watch.Change{key(1): {Removals: tc.want}}, s.Take()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			s.Put(key(1), "next")
			s.Put(key(1), "and next")
			if tc.want {
				s.Take()
				s.Put(key(1), "last")
			}
			if s.Take()[key(1)].Removals && tc.want {
				t.Error("it is told twice")
			}
		})
	}
}

func TestDroppedAnswerHasNoRemovals(t *testing.T) {
	t.Parallel()
	s := watch.NewStore()
	s.Put(key(1), []*watch.ServiceInstance{{ID: "a"}})
	s.Put(key(1), []*watch.ServiceInstance{})
	s.Drop(key(1))
	s.Put(key(1), []*watch.ServiceInstance{})
	if s.Take()[key(1)].Removals {
		t.Error("what was there before the drop counts")
	}
}
