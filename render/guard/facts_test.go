package guard_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ctmpl/ctmpl/render/guard"
	"github.com/ctmpl/ctmpl/watch"
)

func TestUpdateLeavesTheFactsBefore(t *testing.T) {
	t.Parallel()
	service := func(name string) watch.Query { return watch.Query{Kind: watch.KindService, Name: name} }
	services := watch.Query{Kind: watch.KindServices}
	list := func(n int) any { return make([]*watch.ServiceInstance, n) }
	anyState := watch.Query{Kind: watch.KindService, Name: "a", Params: "filter=any"}
	failed := []*watch.ServiceInstance{{Status: watch.StatusCritical}, {Status: watch.StatusMaintenance}, {Status: watch.StatusWarning}}
	first := guard.Facts{}.Update(map[watch.Query]any{service("a"): list(1), service("b"): list(2), services: list(2)}, nil)
	then := first.Update(map[watch.Query]any{service("a"): list(3), service("c"): list(0)}, []watch.Query{service("b"), services})
	for _, tc := range []struct {
		name      string
		got, want guard.Facts
	}{
		{"before", first, guard.Facts{Services: map[string]int{`service "a"`: 1, `service "b"`: 2}, Lists: map[string]int{"services": 2}}},
		{"after", then, guard.Facts{Services: map[string]int{`service "a"`: 3, `service "c"`: 0}, Lists: map[string]int{}}},
		{"in any state", guard.Facts{}.Update(map[watch.Query]any{anyState: failed}, nil), guard.Facts{Services: map[string]int{`service "a|any"`: 1}}},
		{"nothing new", then.Update(map[watch.Query]any{service("a"): list(3)}, []watch.Query{service("b")}), then},
	} {
		if diff := cmp.Diff(tc.want, tc.got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tc.name, diff)
		}
	}
}
