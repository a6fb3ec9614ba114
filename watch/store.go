package watch

import (
	"reflect"
	"sync"
)

// Store holds the last good answer of each query. It is safe for use by several
// goroutines; Changed and Take are for one reader.
type Store struct {
	mu      sync.RWMutex
	rev     uint64
	answers map[Query]stored
	dirty   Set
	changed chan struct{}
}

type stored struct {
	value any
	rev   uint64
}

// NewStore makes an empty store.
func NewStore() *Store {
	return &Store{answers: map[Query]stored{}, dirty: Set{}, changed: make(chan struct{}, 1)}
}

// Put stores v as the answer to q. A value equal to the one before is no change;
// otherwise the answer gets a new revision and the reader of Changed wakes.
func (s *Store) Put(q Query, v any) { s.put(q, v) }

// put is Put, and tells whether v is a change.
func (s *Store) put(q Query, v any) bool {
	if old, _, ok := s.Get(q); ok && reflect.DeepEqual(old, v) {
		return false
	}
	s.mu.Lock()
	s.rev++
	s.answers[q] = stored{value: v, rev: s.rev}
	s.dirty.Add(q)
	s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default: // a wake-up is pending already, and the data is here
	}
	return true
}

// Get gives the last good answer to q and its revision. ok is false while there is none.
func (s *Store) Get(q Query) (v any, rev uint64, ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	a, ok := s.answers[q]
	return a.value, a.rev, ok
}

// Changed wakes the reader after one or several changes.
func (s *Store) Changed() <-chan struct{} { return s.changed }

// Take gives the queries whose answers changed since the last Take.
func (s *Store) Take() Set {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.dirty
	s.dirty = Set{}
	return taken
}

// Keep forgets the answers to all queries but those that keep selects.
func (s *Store) Keep(keep func(Query) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for q := range s.answers {
		if !keep(q) {
			delete(s.answers, q)
			delete(s.dirty, q)
		}
	}
}

// Drop forgets the answer to a query that nobody wants any more.
func (s *Store) Drop(q Query) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.answers, q)
	delete(s.dirty, q)
}
