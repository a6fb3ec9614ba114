package watch

import (
	"maps"
	"reflect"
	"time"
)

// distrust is for how long answers are doubted after Consul's state began anew. Agents
// bring back what they know when they next compare it with the catalog: every minute,
// less often in a large cluster
// (https://developer.hashicorp.com/consul/docs/architecture/anti-entropy).
const distrust = 2 * time.Minute

// trust is what speaks against answers. It is part of the Store, which outlives the
// scheduler: a Consul that was set up anew comes with a new token, and with that a new
// source.
type trust struct {
	said map[Query]string // by the source, of the last answer
	// seen are the indexes of the last answers that had something in them. They are kept
	// while a query fails and starts again from 0.
	seen map[Query]uint64
	// anew is when the state of a datacenter was seen to begin anew.
	anew map[string]time.Time
}

func newTrust() trust {
	return trust{said: map[Query]string{}, seen: map[Query]uint64{}, anew: map[string]time.Time{}}
}

// doubt is why the answer to q is not to be trusted.
func (t *trust) doubt(q Query) string {
	if len(t.anew) > 0 && q.Kind != KindFile {
		if at, ok := t.anew[q.Param("dc")]; ok {
			return "Consul's state began anew at " + at.Format(time.TimeOnly)
		}
	}
	return t.said[q]
}

// full tells whether nothing is doubted.
func (t *trust) full() bool { return len(t.anew) == 0 && len(t.said) == 0 }

// say notes what the source said of its answer to q, and tells whether that is new.
func (t *trust) say(q Query, why string) bool {
	if t.said[q] == why {
		return false
	}
	if why == "" {
		delete(t.said, q)
	} else {
		t.said[q] = why
	}
	return true
}

// observe compares the index of an answer with the one before, and tells whether it
// shows that Consul's state began anew.
func (t *trust) observe(q Query, a Answer, now time.Time) (anew bool) {
	if !a.Indexed {
		return false
	}
	if a.Version < t.seen[q] && firm(q, a) {
		anew = true
		dc := q.Param("dc")
		t.anew[dc] = now
		// What was seen before is of the other state: it must not show the same again.
		maps.DeleteFunc(t.seen, func(other Query, _ uint64) bool { return other.Param("dc") == dc })
	}
	if holds(a.Value) {
		t.seen[q] = a.Version
	}
	return anew
}

// firm tells whether the index of an answer cannot be lower than that of an earlier one,
// which had something in it, while Consul keeps its state. The index of a prefix falls
// when Consul forgets which keys were deleted, and when what is around it is deleted as a
// whole (v1.20), but not to 1: that is the index where there never was a key. A missing
// node has index 1, too, and so has a service that the agent has not read when the wait is
// over (v1.20). The index of a list from several places is that of whichever answered, and
// certificates are indexed by the agent.
func firm(q Query, a Answer) bool {
	switch q.Kind {
	case KindServices, KindNodes, KindKey, KindLookup:
		return true
	case KindService:
		return a.Version > 1 && q.Param("peer") == "" && q.Param("sameness-group") == ""
	case KindPrefix:
		return a.Version == 1
	}
	return false
}

// holds tells whether there is something in a value.
func holds(v any) bool {
	n, counts := Len(v)
	return v != nil && (n > 0 || !counts)
}

// settle takes back what has been doubted for long enough. It tells whether there was
// any, and the time until there will be.
func (t *trust) settle(now time.Time) (settled bool, rest time.Duration) {
	rest = time.Hour
	for dc, at := range t.anew {
		if left := at.Add(distrust).Sub(now); left > 0 {
			rest = min(rest, left)
			continue
		}
		delete(t.anew, dc)
		settled = true
	}
	return settled, rest
}

func (t *trust) drop(q Query) {
	delete(t.said, q)
	delete(t.seen, q)
}

// keep forgets all queries but those that are kept. When none of them came from Consul
// it is not the same Consul any more.
func (t *trust) keep(keep func(Query) bool) {
	maps.DeleteFunc(t.said, func(q Query, _ string) bool { return !keep(q) })
	maps.DeleteFunc(t.seen, func(q Query, _ uint64) bool { return !keep(q) })
	if len(t.seen) == 0 {
		clear(t.anew)
	}
}

// Len is how many things an answer has in it. counts is false for those that are not a
// number of things, such as the value of a key.
func Len(v any) (n int, counts bool) {
	switch v := v.(type) {
	case nil:
		return 0, false
	case Lookup:
		if v.Found {
			n = 1
		}
		return n, true
	case *NodeDetail:
		return len(v.Services), true
	}
	if list := reflect.ValueOf(v); list.Kind() == reflect.Slice {
		return list.Len(), true
	}
	return 0, false
}
