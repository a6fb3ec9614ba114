package guard

import (
	"maps"
	"reflect"

	"github.com/ctmpl/ctmpl/watch"
)

// Facts is what a rollout would make live, as far as guards look at it. It is kept on
// disk with the last good output. The keys are queries as watch.Query.String writes
// them; one service with two filters is two queries.
type Facts struct {
	Services map[string]int    `json:"services,omitempty"` // instances, of service and connect queries
	Lists    map[string]int    `json:"lists,omitempty"`    // length of other answers, of which only those in doubt count
	Doubts   map[string]string `json:"doubts,omitempty"`   // see With
}

// Update gives the facts with the answers to some queries taken in, and without those
// that are gone. f stays as it is; as much of it as is the same is part of both.
func (f Facts) Update(answers map[watch.Query]any, gone []watch.Query) Facts {
	services, lists := numbers{all: f.Services}, numbers{all: f.Lists}
	for q, answer := range answers {
		n, counts := size(q, answer)
		switch {
		case !counts:
		case ofInstances(q):
			services.set(q.String(), n)
		default:
			lists.set(q.String(), n)
		}
	}
	for _, q := range gone {
		if ofInstances(q) {
			services.drop(q.String())
		} else {
			lists.drop(q.String())
		}
	}
	f.Services, f.Lists = services.all, lists.all
	return f
}

// size is how much there is in an answer. Where instances in any state are asked for it
// is those that are not down: that all of them fail is an accident as much as that all
// are gone.
func size(q watch.Query, answer any) (n int, counts bool) {
	list, ok := answer.([]*watch.ServiceInstance)
	if !ok || q.Param("filter") != watch.StatusAny {
		return watch.Len(answer)
	}
	for _, i := range list {
		if !watch.Down(i) {
			n++
		}
	}
	return n, true
}

// ofInstances tells whether the answer to a query is a list of instances.
func ofInstances(q watch.Query) bool {
	return q.Kind == watch.KindService || q.Kind == watch.KindConnect
}

// numbers are numbers by query, which are copied before the first change.
type numbers struct {
	all   map[string]int
	owned bool
}

func (n *numbers) set(query string, value int) {
	if old, ok := n.all[query]; !ok || old != value {
		n.own()
		n.all[query] = value
	}
}

func (n *numbers) drop(query string) {
	if _, ok := n.all[query]; ok {
		n.own()
		delete(n.all, query)
	}
}

func (n *numbers) own() {
	if n.owned {
		return
	}
	if n.all = maps.Clone(n.all); n.all == nil {
		n.all = map[string]int{}
	}
	n.owned = true
}

// With adds the doubts that there were about the answers when they went live. A token
// that never sees all of a list is no news then.
func (f Facts) With(doubts map[string]string) Facts {
	f.Doubts = maps.Clone(doubts)
	return f
}

// Equal tells whether two are the same in all.
func (f Facts) Equal(o Facts) bool {
	return equal(f.Services, o.Services) && equal(f.Lists, o.Lists) && equal(f.Doubts, o.Doubts)
}

// equal compares two maps, which mostly are the very same.
func equal[V comparable](a, b map[string]V) bool {
	return reflect.ValueOf(a).UnsafePointer() == reflect.ValueOf(b).UnsafePointer() || maps.Equal(a, b)
}

// count is how much there is of a query; 0 when it is not asked.
func (f Facts) count(query string) int { return f.Services[query] + f.Lists[query] }

// total is the number of instances of all services.
func (f Facts) total() int {
	sum := 0
	for _, n := range f.Services {
		sum += n
	}
	return sum
}
