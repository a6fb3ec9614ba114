package guard

import (
	"maps"

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

// Gather takes the facts from the answers that a template has read.
func Gather(answers map[watch.Query]any) Facts {
	f := Facts{Services: map[string]int{}, Lists: map[string]int{}}
	for q, answer := range answers {
		n, counts := watch.Len(answer)
		switch {
		case !counts:
		case q.Kind == watch.KindService || q.Kind == watch.KindConnect:
			f.Services[q.String()] = n
		default:
			f.Lists[q.String()] = n
		}
	}
	return f
}

// With adds the doubts that there were about the answers when they went live. A token
// that never sees all of a list is no news then.
func (f Facts) With(doubts map[string]string) Facts {
	f.Doubts = maps.Clone(doubts)
	return f
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
