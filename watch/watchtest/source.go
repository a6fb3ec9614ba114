// Package watchtest has a watch.Source for tests.
//
// It behaves as a Consul agent does: an answer has the index of its last change,
// a Fetch with an index holds until there is a newer one, and one with an index
// that is too high holds until its time is over. It needs no network and takes its
// time from the time package, so it works in the virtual time of testing/synctest
// (make it inside the bubble).
package watchtest

import (
	"context"
	"sync"
	"time"

	"github.com/ctmpl/ctmpl/watch"
)

// Source is a watch.Source whose answers are set by a test. It is safe for use by
// several goroutines.
type Source struct {
	mu        sync.Mutex
	index     uint64
	answers   map[watch.Query]*answer
	err       error // of all queries
	latency   func(watch.Query) time.Duration
	spy       func(q watch.Query, after uint64, hold time.Duration)
	impatient bool

	changed  chan struct{} // closed when any answer changes
	restarts int

	running map[watch.Query]int
	fetches map[watch.Query]int
	sum     Counts
}

// Counts are how often and how much at once a Source was asked.
type Counts struct {
	Total   int // Fetches that have begun
	Running int // now
	Peak    int // most at once
	Double  int // Fetches that began while the same query was under way
}

// answer is what the source says to one query.
type answer struct {
	value   any
	version uint64
	doubt   string
	err     error
	news    chan struct{} // closed when any of it changes
}

// New makes a source that has no answer to anything.
func New() *Source {
	return &Source{index: 1, answers: map[watch.Query]*answer{}, changed: make(chan struct{}), running: map[watch.Query]int{}, fetches: map[watch.Query]int{}}
}

// Set makes value the answer to q, with a new version, also when it is equal to the
// one before: Consul's index moves without a change as well. nil says that there
// is nothing.
func (s *Source) Set(q watch.Query, value any) {
	s.change(q, func(a *answer) {
		s.index++
		a.value, a.version = value, s.index
	})
}

// SetVersion makes value the answer to q, with a version of the test's choice.
func (s *Source) SetVersion(q watch.Query, value any, version uint64) {
	s.change(q, func(a *answer) { a.value, a.version = value, version })
}

// Doubt has the answers to q say why they may lack something.
func (s *Source) Doubt(q watch.Query, why string) {
	s.change(q, func(a *answer) {
		s.index++
		a.doubt, a.version = why, s.index
	})
}

// Fail gives every Fetch of q an error, those under way too; nil ends that.
func (s *Source) Fail(q watch.Query, err error) {
	s.change(q, func(a *answer) { a.err = err })
}

// FailAll is Fail for all queries.
func (s *Source) FailAll(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	s.tell()
	for _, a := range s.answers {
		a.tell()
	}
}

// Restart begins anew with low versions and the same answers, as an agent that was
// restarted does. Whoever waits goes on waiting, for an index that is too high now.
func (s *Source) Restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.index = 1
	s.restarts++
	for _, a := range s.answers {
		a.version = 1
	}
	s.tell()
}

// Slow makes a Fetch of q take that long before anything else; nil ends that.
func (s *Source) Slow(latency func(q watch.Query) time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latency = latency
}

// Impatient makes the source answer at once in any case, like a proxy that knows
// nothing of blocking queries.
func (s *Source) Impatient(yes bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.impatient = yes
}

// OnFetch has f called when a Fetch begins, by the goroutine that fetches.
func (s *Source) OnFetch(f func(q watch.Query, after uint64, hold time.Duration)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spy = f
}

// Value gives the answer to q as it is now.
func (s *Source) Value(q watch.Query) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answer(q).value
}

// Counts gives how much the source was asked so far.
func (s *Source) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sum
}

// Fetches gives how often q was asked so far.
func (s *Source) Fetches(q watch.Query) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fetches[q]
}

// Running tells whether q is being asked now.
func (s *Source) Running(q watch.Query) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running[q] > 0
}

// Fetch implements watch.Source.
func (s *Source) Fetch(ctx context.Context, q watch.Query, after uint64, hold time.Duration) (watch.Answer, error) {
	spy, latency, over := s.begin(q)
	defer s.end(q)
	if spy != nil {
		spy(q, after, hold)
	}
	if latency != nil {
		if err := sleep(ctx, latency(q)); err != nil {
			return watch.Answer{}, err
		}
	}
	if err := ctx.Err(); err != nil {
		return watch.Answer{}, err
	}
	timer := time.NewTimer(hold)
	defer timer.Stop()
	over = over || after == 0
	for {
		a, err := s.look(q)
		if err != nil {
			return watch.Answer{}, err
		}
		if over || a.version > after {
			return watch.Answer{Value: a.value, Version: a.version, Indexed: true, Doubt: a.doubt}, nil
		}
		select {
		case <-ctx.Done():
			return watch.Answer{}, ctx.Err()
		case <-timer.C:
			over = true
		case <-a.news:
		}
	}
}

func (s *Source) begin(q watch.Query) (spy func(watch.Query, uint64, time.Duration), latency func(watch.Query) time.Duration, impatient bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running[q] > 0 {
		s.sum.Double++
	}
	s.running[q]++
	s.fetches[q]++
	s.sum.Total++
	s.sum.Running++
	s.sum.Peak = max(s.sum.Peak, s.sum.Running)
	return s.spy, s.latency, s.impatient
}

func (s *Source) end(q watch.Query) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running[q]--
	s.sum.Running--
}

// look gives a copy of the answer to q, or the error that it has.
func (s *Source) look(q watch.Query) (answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.answer(q)
	if s.err != nil {
		return answer{}, s.err
	}
	return *a, a.err
}

// answer gives the answer to q, which is made when it is asked for first. The
// caller holds the lock.
func (s *Source) answer(q watch.Query) *answer {
	a := s.answers[q]
	if a == nil {
		a = &answer{version: 1, news: make(chan struct{})}
		s.answers[q] = a
	}
	return a
}

func (s *Source) change(q watch.Query, f func(*answer)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.answer(q)
	f(a)
	a.tell()
	s.tell()
}

// tell wakes whoever waits for any change.
func (s *Source) tell() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// news is closed when anything changes.
func (s *Source) news() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// failure is the error that all queries have.
func (s *Source) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// versions gives those of all answers, and how often the source has begun anew.
func (s *Source) versions() (map[watch.Query]uint64, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[watch.Query]uint64, len(s.answers))
	for q, a := range s.answers {
		all[q] = a.version
	}
	return all, s.restarts
}

func (a *answer) tell() {
	close(a.news)
	a.news = make(chan struct{})
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
