package watch_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/ctmpl/ctmpl/watch"
)

// permutations calls f with a copy of list in each order.
func permutations[T any](list []T, f func([]T)) {
	if len(list) == 0 {
		f(nil)
		return
	}
	for i := range list {
		rest := slices.Delete(slices.Clone(list), i, i+1)
		permutations(rest, func(p []T) { f(append([]T{list[i]}, p...)) })
	}
}

func TestSorting(t *testing.T) {
	t.Parallel()
	permutations([]*watch.ServiceInstance{{Node: "a", ID: "2"}, {Node: "a", ID: "3"}, {Node: "b", ID: "1"}, {Node: "b", ID: "10"}}, func(list []*watch.ServiceInstance) {
		watch.SortInstances(list)
		got := ""
		for _, i := range list {
			got += i.Node + i.ID + " "
		}
		if got != "a2 a3 b1 b10 " {
			t.Errorf("instances: %s", got)
		}
	})
	permutations([]*watch.Node{{Node: "a", Address: "1"}, {Node: "a", Address: "2"}, {Node: "b", Address: "0"}}, func(list []*watch.Node) {
		watch.SortNodes(list)
		if list[0].Address != "1" || list[1].Address != "2" || list[2].Node != "b" {
			t.Errorf("nodes: %v %v %v", *list[0], *list[1], *list[2])
		}
	})
	permutations([]*watch.NodeService{{Service: "a", ID: "2"}, {Service: "a", ID: "3"}, {Service: "b", ID: "1"}}, func(list []*watch.NodeService) {
		watch.SortNodeServices(list)
		if list[0].ID != "2" || list[1].ID != "3" || list[2].ID != "1" {
			t.Errorf("services of a node: %v %v %v", *list[0], *list[1], *list[2])
		}
	})
	permutations([]*watch.Peering{{PeeringState: "ACTIVE", Partition: "z", Name: "z"}, {PeeringState: "PENDING", Name: "z"}, {PeeringState: "PENDING", Partition: "p", Name: "a"}, {PeeringState: "PENDING", Partition: "p", Name: "b"}},
		func(list []*watch.Peering) {
			watch.SortPeerings(list)
			got := ""
			for _, p := range list {
				got += p.PeeringState + p.Partition + p.Name + " "
			}
			if got != "ACTIVEzz PENDINGz PENDINGpa PENDINGpb " {
				t.Errorf("peerings: %s", got)
			}
		})
}

func TestHasTag(t *testing.T) {
	t.Parallel()
	for tag, want := range map[string]bool{"": true, "http": true, "HTTP": true, "v1": true, "v": false, "https": false} {
		if got := watch.HasTag([]string{"Http", "v1"}, tag); got != want {
			t.Errorf("%q: %v", tag, got)
		}
	}
	if !watch.HasTag(nil, "") || watch.HasTag(nil, "a") {
		t.Error("without tags")
	}
}

func TestSortTags(t *testing.T) {
	t.Parallel()
	given := []string{"b", "a", "b"}
	if got := strings.Join(watch.SortTags(given), " "); got != "a b b" || given[0] != "b" {
		t.Errorf("got %s, and the argument is now %v", got, given)
	}
	if watch.SortTags(nil) == nil {
		t.Error("no tags give nil: a template's index or len on it would differ")
	}
}

func TestRelativeKey(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ path, prefix, want string }{
		{"a/b/c", "a", "b/c"}, {"a/b/c", "a/", "b/c"}, {"a/b", "a/b", ""}, {"ab", "a", "b"}, {"a//b", "a", "b"}, {"a/", "a", ""}, {"a/b", "/a", "a/b"},
	} {
		if got := watch.RelativeKey(tc.path, tc.prefix); got != tc.want {
			t.Errorf("%s below %s is %q, want %q", tc.path, tc.prefix, got, tc.want)
		}
	}
}
