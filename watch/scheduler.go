package watch

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// round is the time in which each query gets its turn when there are more
// queries than connections.
const round = 10 * time.Second

// pollPause is the pause before a query is asked again whose source has answered
// at once though there was nothing new, as a proxy does that knows nothing of
// blocking queries.
const pollPause = time.Second

// Scheduler decides which query is asked when, within its budget of
// connections. While the queries fit, each has a blocking query of its own.
// Beyond that they take turns: all of them within a round, each holding its
// connection for its share of it.
type Scheduler struct {
	src   Source
	store *Store
	opt   Options

	mu   sync.Mutex
	want Set // the newest set that was asked for, nil when it has been taken over
	wake chan struct{}

	// The rest belongs to the goroutine of Run.
	entries map[Query]*entry
	waiting dueHeap
	running map[*entry]struct{}
	workers sync.WaitGroup
	started int // workers; never more than Options.Connections
	jobs    chan job
	results chan result
	health  health
	fatal   error
}

// entry is what the scheduler knows of one wanted query.
type entry struct {
	q        Query
	after    uint64
	answered bool // there has been a value
	due      time.Time
	pos      int // in the heap of those who wait
	cancel   context.CancelFunc
	waits    bool // it was asked for something newer than after
	recalled bool // its connection was taken back
	removed  bool // not wanted any more, but still under way
	started  time.Time
	hold     time.Duration
	trouble  trouble
	pace     pace
}

type job struct {
	e   *entry
	ctx context.Context
	// Copies, since the entry belongs to the scheduler.
	q     Query
	after uint64
	hold  time.Duration
}

type result struct {
	e      *entry
	answer Answer
	err    error
}

// NewScheduler makes a scheduler that asks src and puts the answers into store.
func NewScheduler(src Source, store *Store, opt Options) *Scheduler {
	opt = opt.withDefaults()
	return &Scheduler{
		src: src, store: store, opt: opt,
		wake:    make(chan struct{}, 1),
		entries: map[Query]*entry{},
		running: map[*entry]struct{}{},
		jobs:    make(chan job),
		results: make(chan result),
		health:  health{name: opt.Name, log: opt.Log, retry: opt.Retry, problems: map[string]int{}},
	}
}

// Want sets the complete set of queries to ask for; the scheduler works out the
// difference. It may be called at any time and keeps no reference to the set.
func (s *Scheduler) Want(set Set) {
	copied := make(Set, len(set))
	for q := range set {
		copied.Add(q)
	}
	s.mu.Lock()
	s.want = copied
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run asks until ctx ends, then returns nil with all its goroutines ended. It
// returns an error only when Retry.Attempts is set and used up.
func (s *Scheduler) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer s.workers.Wait()
	defer cancel()

	timer := time.NewTimer(0)
	defer timer.Stop()
	for s.fatal == nil {
		s.adopt()
		s.dispatch(ctx)
		timer.Reset(min(s.untilDue(), s.store.settle(time.Now())))
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case r := <-s.results:
			s.finish(ctx, r)
		case <-timer.C:
		}
	}
	return s.fatal
}

// work is one worker: it holds at most one connection at a time.
func (s *Scheduler) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case j := <-s.jobs:
			answer, err := s.src.Fetch(j.ctx, j.q, j.after, j.hold)
			select {
			case <-ctx.Done():
				return
			case s.results <- result{e: j.e, answer: answer, err: err}:
			}
		}
	}
}

// adopt takes over the newest wanted set.
func (s *Scheduler) adopt() {
	s.mu.Lock()
	want := s.want
	s.want = nil
	s.mu.Unlock()
	if want == nil {
		return
	}
	for q, e := range s.entries {
		if _, ok := want[q]; !ok && !e.removed {
			s.remove(e)
		}
	}
	for q := range want {
		switch e := s.entries[q]; {
		case e == nil:
			e = &entry{q: q, pos: -1}
			s.entries[q] = e
			heap.Push(&s.waiting, e)
		case e.removed:
			e.removed = false
		}
	}
}

// remove forgets e. While it is under way its entry stays, so that the query is not
// asked twice at once when it is wanted again meanwhile.
func (s *Scheduler) remove(e *entry) {
	s.store.Drop(e.q)
	s.health.forget(e)
	if _, ok := s.running[e]; !ok {
		delete(s.entries, e.q)
		heap.Remove(&s.waiting, e.pos)
		return
	}
	e.removed, e.answered, e.after = true, false, 0
	e.recall()
}

// share is how long one query may hold its connection. A connection that is held
// for longer, from a time with fewer queries, is not taken back for that: new
// queries take the places of as many as they need.
func (s *Scheduler) share() time.Duration {
	if len(s.entries) <= s.opt.Connections {
		return s.opt.Hold
	}
	return min(s.opt.Hold, round*time.Duration(s.opt.Connections)/time.Duration(len(s.entries)))
}

// recall takes back the connection that e holds.
func (e *entry) recall() {
	e.recalled = true
	e.cancel()
}

// dispatch gives what is due to free workers.
func (s *Scheduler) dispatch(ctx context.Context) {
	now := time.Now()
	for s.waiting.Len() > 0 && len(s.running) < s.opt.Connections && s.mayStart(now) {
		s.start(ctx, heap.Pop(&s.waiting).(*entry), now)
	}
	if s.waiting.Len() > 0 && len(s.running) == s.opt.Connections && s.waiting[0].due.IsZero() && !s.health.down() {
		s.preempt()
	}
}

// mayStart tells whether the query at the head of the line may go now. An
// unreachable source is asked by one query at a time.
func (s *Scheduler) mayStart(now time.Time) bool {
	if s.health.down() {
		return s.health.probe == nil && !now.Before(s.health.probeAt)
	}
	return !s.waiting[0].due.After(now)
}

func (s *Scheduler) start(ctx context.Context, e *entry, now time.Time) {
	jobCtx, cancel := context.WithCancel(ctx)
	e.cancel, e.recalled, e.waits = cancel, false, e.after > 0
	e.started, e.hold = now, s.share()
	if s.health.down() {
		s.health.probe = e
	}
	s.running[e] = struct{}{}
	if s.started < len(s.running) {
		s.started++
		s.workers.Go(func() { s.work(ctx) })
	}
	select {
	case s.jobs <- job{e: e, ctx: jobCtx, q: e.q, after: e.after, hold: e.hold}:
	case <-ctx.Done():
	}
}

// preempt takes the connection of the query that has held one for longest, so
// that a query without any answer gets it at once.
func (s *Scheduler) preempt() {
	var oldest *entry
	for e := range s.running {
		if e.waits && (oldest == nil || e.started.Before(oldest.started)) {
			oldest = e
		}
	}
	if oldest != nil {
		oldest.recall()
	}
}

// untilDue is the time until the next query can be started.
func (s *Scheduler) untilDue() time.Duration {
	if s.waiting.Len() == 0 || len(s.running) == s.opt.Connections {
		return time.Hour // until a result or a new set comes
	}
	if s.health.down() {
		if s.health.probe != nil {
			return time.Hour
		}
		return time.Until(s.health.probeAt)
	}
	return time.Until(s.waiting[0].due)
}
