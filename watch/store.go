package watch

import (
	"iter"
	"sync"
	"time"
)

// Store holds the last good answer of each query, and what speaks against it. It is
// safe for use by several goroutines; Changed and Take are for one reader.
type Store struct {
	mu      sync.RWMutex
	rev     uint64
	answers map[Query]*Stored
	dirty   map[Query]Change
	trust   trust
	changed chan struct{}
}

// NewStore makes an empty store.
func NewStore() *Store {
	return &Store{answers: map[Query]*Stored{}, dirty: map[Query]Change{}, trust: newTrust(), changed: make(chan struct{}, 1)}
}

// Put stores v as the answer to q. A value equal to the one before is no change;
// otherwise the answer gets a new revision and the reader of Changed wakes. Elements of
// a list that are equal to those before stay the very same.
func (s *Store) Put(q Query, v any) {
	s.update(q, v, func(*trust) bool { return false })
}

// accept takes in an answer of the source with its doubt, in one step: no reader sees
// the value without the doubt, nor the doubt gone with the value of before. It tells
// whether the value is a change, and whether the answer shows that Consul's state began
// anew.
func (s *Store) accept(q Query, a Answer, now time.Time) (changed, anew bool) {
	changed = s.update(q, a.Value, func(t *trust) bool {
		anew = t.observe(q, a, now)
		return t.say(q, a.Doubt) || anew
	})
	return changed, anew
}

// observe takes in what an answer tells of its source, and not the answer.
func (s *Store) observe(q Query, a Answer, now time.Time) (anew bool) {
	s.update(q, nil, func(t *trust) bool {
		anew = t.observe(q, a, now)
		return anew
	})
	return anew
}

// update stores v, unless it is nil, and lets judge tell whether doubts have changed.
func (s *Store) update(q Query, v any, judge func(*trust) bool) (changed bool) {
	changed = v != nil
	removals := false
	if old, _, had := s.Get(q); had && changed { // not under the lock, it takes a while
		var same bool
		v, same = share(old, v)
		changed = !same
		removals = changed && removed(old, v)
	}
	s.mu.Lock()
	wake := judge(&s.trust) || changed
	if changed {
		s.rev++
		s.replace(q, &Stored{Value: v, Revision: s.rev})
		s.dirty[q] = Change{Removals: s.dirty[q].Removals || removals}
	}
	s.mu.Unlock()
	if wake {
		s.wake()
	}
	return changed
}

func (s *Store) wake() {
	select {
	case s.changed <- struct{}{}:
	default: // a wake-up is pending already, and the data is here
	}
}

// Get gives the last good answer to q and its revision. ok is false while there is none.
func (s *Store) Get(q Query) (v any, rev uint64, ok bool) {
	if a := s.Last(q); a != nil {
		return a.Value, a.Revision, true
	}
	return nil, 0, false
}

// Doubt notes why the answer to q may lack something; "" takes that back. A change of
// it wakes the reader of Changed, but is no change of the answer.
func (s *Store) Doubt(q Query, why string) {
	s.mu.Lock()
	wake := s.trust.say(q, why)
	s.mu.Unlock()
	if wake {
		s.wake()
	}
}

// Doubted tells why the answer to q is not to be trusted, "" when nothing is known
// against it.
func (s *Store) Doubted(q Query) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.trust.doubt(q)
}

// Doubts gives those of the queries whose answers are not to be trusted, each with why.
func (s *Store) Doubts(queries iter.Seq[Query]) map[Query]string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	doubts := map[Query]string{}
	if s.trust.full() {
		return doubts
	}
	for q := range queries {
		if why := s.trust.doubt(q); why != "" {
			doubts[q] = why
		}
	}
	return doubts
}

// settle takes back the doubts whose time is over, and gives the time until the next.
func (s *Store) settle(now time.Time) time.Duration {
	s.mu.Lock()
	wake, rest := s.trust.settle(now)
	s.mu.Unlock()
	if wake {
		s.wake()
	}
	return rest
}

// Changed wakes the reader after one or several changes of answers or of doubts.
func (s *Store) Changed() <-chan struct{} { return s.changed }

// Take gives the queries whose answers changed since the last Take, and how.
func (s *Store) Take() map[Query]Change {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.dirty
	s.dirty = map[Query]Change{}
	return taken
}

// Keep forgets the answers to all queries but those that keep selects, and their
// doubts.
func (s *Store) Keep(keep func(Query) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for q := range s.answers {
		if !keep(q) {
			s.replace(q, nil)
			delete(s.dirty, q)
		}
	}
	s.trust.keep(keep)
}

// Drop forgets the answer to a query that nobody wants any more, and its doubt.
func (s *Store) Drop(q Query) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replace(q, nil)
	delete(s.dirty, q)
	s.trust.drop(q)
}
