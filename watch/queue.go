package watch

import (
	"container/heap"
	"time"

	"golang.org/x/time/rate"
)

// dueHeap orders the waiting queries by when they are due. A query that was
// never asked has no due time and comes first.
type dueHeap []*entry

var _ heap.Interface = (*dueHeap)(nil)

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].pos, h[j].pos = i, j
}

// Push adds an entry; use heap.Push.
func (h *dueHeap) Push(x any) {
	e := x.(*entry)
	e.pos = len(*h)
	*h = append(*h, e)
}

// Pop takes the last entry; use heap.Pop.
func (h *dueHeap) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	e.pos = -1
	return e
}

// A query may be answered paceBurst times in a row at once and then paceRate
// times a second: a service that flaps, or a proxy that does not hold blocking
// queries, must not turn into a loop without a pause.
const (
	paceRate  = 10
	paceBurst = 10
)

// pace limits how often one query is asked.
type pace struct{ limit *rate.Limiter }

// next is when the query may be asked again.
func (p *pace) next(now time.Time) time.Time {
	if p.limit == nil {
		p.limit = rate.NewLimiter(paceRate, paceBurst)
	}
	return now.Add(p.limit.ReserveN(now, 1).DelayFrom(now))
}

// earliest is when the query may be asked again, without a place in the row for it.
func (p *pace) earliest(now time.Time) time.Time {
	if p.limit == nil || p.limit.TokensAt(now) >= 0 {
		return now
	}
	return now.Add(time.Duration(-p.limit.TokensAt(now) / paceRate * float64(time.Second)))
}

// A query that wakes again and again though its answer stays the same, as a list of services does with
// each change of an instance, is asked less often: it costs both sides as much as a change, and that at
// the very moment of one. A change of it is noticed that much later.
const (
	vainFirst = 25 * time.Millisecond
	vainMost  = 250 * time.Millisecond
	vainEach  = time.Second // those that are further apart do not count
)

// count counts the waits in a row that ended in vain.
func (e *entry) count(inVain bool, now time.Time) {
	if e.vain++; !inVain || !e.waits || now.Sub(e.started) > vainEach {
		e.vain = 0
	}
}

// vainPause is the pause after so many waits in vain beside the first.
func vainPause(waits int) time.Duration {
	return min(vainMost, vainFirst<<min(waits-1, 10))
}
