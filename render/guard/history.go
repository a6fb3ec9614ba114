package guard

import (
	"maps"
	"slices"
	"time"
)

// History are the facts of the rollouts within a window. The zero value knows of none.
// What it needs does not grow with the number of rollouts.
type History struct {
	live   Facts
	known  bool
	window time.Duration // that was asked for last
	spans  []span        // the oldest first
}

// span is a part of the window with the most that was live in it.
type span struct {
	from, to time.Time
	most     map[string]int // instances by service query
}

// spansPerWindow is how exactly the window is kept: what was live counts for up to a
// sixth of the window more.
const spansPerWindow = 6

// defaultWindow is the window until one has been asked for.
const defaultWindow = time.Minute

// Add notes that f went live.
func (h *History) Add(now time.Time, f Facts) {
	if h.known {
		h.retire(now)
	}
	h.live, h.known = f, true
}

// Restart notes that f went live although guards held it: a person approved it, or the
// time to hold it was over. What was there before does not count any more, or the next
// rollout would be held for the same.
func (h *History) Restart(f Facts) {
	h.spans = nil
	h.live, h.known = f, true
}

// retire notes that what is live was live until now.
func (h *History) retire(now time.Time) {
	window := h.window
	if window <= 0 {
		window = defaultWindow
	}
	h.prune(now, window)
	if n := len(h.spans); n == 0 || now.Sub(h.spans[n-1].from) >= window/spansPerWindow {
		h.spans = append(h.spans, span{from: now, most: map[string]int{}})
	}
	last := &h.spans[len(h.spans)-1]
	last.to = now
	raise(last.most, h.live.Services)
}

// prune forgets what was live before the window only.
func (h *History) prune(now time.Time, window time.Duration) {
	h.spans = slices.DeleteFunc(h.spans, func(s span) bool { return now.Sub(s.to) > window })
}

// raise makes the numbers in most at least those in counts.
func raise(most, counts map[string]int) {
	for query, n := range counts {
		if n > most[query] {
			most[query] = n
		}
	}
}

// Before is what a rollout is compared with. The zero value is that of a first one.
type Before struct {
	known bool
	live  Facts
	most  map[string]int // instances by service query, the most within the window
}

// Before gives what there is to compare with. A window of 0 is what is live now.
func (h *History) Before(now time.Time, window time.Duration) Before {
	h.window = window
	h.prune(now, max(window, 0))
	most := maps.Clone(h.live.Services)
	if most == nil {
		most = map[string]int{}
	}
	if window > 0 {
		for _, s := range h.spans {
			raise(most, s.most)
		}
	}
	return Before{known: h.known, live: h.live, most: most}
}
