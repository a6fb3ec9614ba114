package watch

import "sync/atomic"

// Stored is one answer to a query as the Store has it. It never changes, but it can be
// superseded: whoever has made something of it knows that this is good for as long as
// the answer is Current, without asking for it by its query.
type Stored struct {
	Value    any
	Revision uint64
	past     atomic.Bool
}

// Current tells whether the answer is the last one to its query still. It is safe for
// use by several goroutines.
func (a *Stored) Current() bool { return !a.past.Load() }

// Last gives the last good answer to q, nil while there is none.
func (s *Store) Last(q Query) *Stored {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.answers[q]
}

// replace makes a the answer to q; nil forgets it. The lock is held.
func (s *Store) replace(q Query, a *Stored) {
	if old := s.answers[q]; old != nil {
		old.past.Store(true)
	}
	if a == nil {
		delete(s.answers, q)
		return
	}
	s.answers[q] = a
}
