package watchtest

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/ctmpl/ctmpl/watch"
)

// Sentinel is a Source that notices changes of all queries but those in Uncovered. Its fields
// are to be set before it is used.
type Sentinel struct {
	*Source
	Uncovered watch.Set
	Late      time.Duration // from a change to the notice of it

	mu      sync.Mutex
	set     watch.Set
	deaf    map[watch.Query]bool
	err     error
	fault   chan struct{} // closed when err changes
	watches int
}

// NewSentinel makes a source that has no answer to anything.
func NewSentinel() *Sentinel {
	return &Sentinel{Source: New(), deaf: map[watch.Query]bool{}, fault: make(chan struct{})}
}

var _ watch.Sentinel = (*Sentinel)(nil)

// Overlook makes it miss all changes of q.
func (s *Sentinel) Overlook(q watch.Query) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deaf[q] = true
}

// FailWatch ends Watch with an error; nil has it work again.
func (s *Sentinel) FailWatch(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	close(s.fault)
	s.fault = make(chan struct{})
}

// Watches gives how often Watch was called.
func (s *Sentinel) Watches() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.watches
}

// Covers implements watch.Sentinel.
func (s *Sentinel) Covers(q watch.Query) bool {
	_, no := s.Uncovered[q]
	return !no
}

// Cover implements watch.Sentinel.
func (s *Sentinel) Cover(set watch.Set) (connections, covered int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set = maps.Clone(set)
	for q := range set {
		if s.Covers(q) {
			covered++
		}
	}
	return 4, covered
}

// Noticed implements watch.Sentinel.
func (s *Sentinel) Noticed(watch.Query) uint64 {
	s.Source.mu.Lock()
	defer s.Source.mu.Unlock()
	return s.index
}

// Watch implements watch.Sentinel.
func (s *Sentinel) Watch(ctx context.Context, tell func(watch.Notice)) error {
	s.mu.Lock()
	s.watches++
	s.mu.Unlock()
	known, began := s.versions()
	tell(watch.Notice{Ready: true})
	for {
		news := s.news()
		fault, err := s.trouble()
		if err != nil {
			return err
		}
		now, restarts := s.versions()
		if restarts != began {
			return nil
		}
		if stale := s.stale(known, now); len(stale) > 0 {
			if sleep(ctx, s.Late) != nil {
				return nil
			}
			tell(watch.Notice{Stale: stale})
		}
		known = now
		select {
		case <-ctx.Done():
			return nil
		case <-news:
		case <-fault:
		}
	}
}

// trouble gives the error that Watch is to have, and is closed when that changes.
func (s *Sentinel) trouble() (<-chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.fault, s.err
	}
	return s.fault, s.failure()
}

// stale gives the queries that have another version than before.
func (s *Sentinel) stale(before, now map[watch.Query]uint64) (list []watch.Query) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for q := range s.set {
		if now[q] != before[q] && !s.deaf[q] {
			list = append(list, q)
		}
	}
	slices.SortFunc(list, watch.Query.Compare)
	return list
}
