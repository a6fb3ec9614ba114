package watch

import (
	"container/heap"
	"context"
	"fmt"
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

// finish takes in what a worker brought.
func (s *Scheduler) finish(ctx context.Context, r result) {
	e := r.e
	e.cancel()
	delete(s.running, e)
	defer s.health.ended(e)
	if ctx.Err() != nil {
		return
	}
	if e.removed {
		delete(s.entries, e.q)
		return
	}
	now := time.Now()
	wasDown := s.health.down()
	switch {
	case r.err != nil && e.recalled:
		e.due = now
	case r.err != nil:
		s.fail(e, r.err, now)
	default:
		s.succeed(e, r.answer, now)
	}
	switch down := s.health.down(); {
	case down && !wasDown:
		s.startOver()
	case wasDown && !down && s.health.probe == e:
		s.hurry(now)
	}
	heap.Push(&s.waiting, e)
}

// startOver has all queries asked from index 0: what comes back after an outage
// may have begun anew, and an index that is too high hides changes.
func (s *Scheduler) startOver() {
	for _, e := range s.entries {
		e.after = 0
	}
}

// hurry makes all queries due: the source is back. It is not called when a query
// that was under way all the time shows that the source was never gone; then the
// one that could not reach it backs off by itself.
func (s *Scheduler) hurry(now time.Time) {
	for _, e := range s.waiting {
		if e.due.After(now) {
			e.due = now // all that were later are equal now, so the heap is in order
		}
	}
}

func (s *Scheduler) fail(e *entry, err error, now time.Time) {
	e.after = 0 // an index from before the fault may be too high, and would hide changes
	e.due = s.health.failed(e, err, now)
	failures := max(e.trouble.count, s.health.probes)
	if a := s.opt.Retry.Attempts; a != 0 && failures > a {
		s.fatal = fmt.Errorf("%s: giving up after %d attempts: %w", e.q, failures, err)
	}
}

func (s *Scheduler) succeed(e *entry, answer Answer, now time.Time) {
	s.health.worked(e, now)
	e.due = e.pace.next(now)
	if answer.Version < e.after { // the source began anew: ask for all of it
		e.after = 0
		if s.store.observe(e.q, answer, now) {
			s.began(e, now)
		}
		return
	}
	newer := answer.Version > e.after
	changed, anew := s.store.accept(e.q, answer, now)
	if anew {
		s.began(e, now)
	}
	e.after = answer.Version
	e.answered = e.answered || answer.Value != nil
	if changed {
		return
	}
	if rest := s.rest(e, newer, now); rest.After(e.due) {
		e.due = rest
	}
}

// began acts on an answer that shows that the source's state began anew. What waits now
// waits for indexes that are too high: an agent that is restarted quickly is not seen to
// be gone by all queries, or by none.
func (s *Scheduler) began(e *entry, now time.Time) {
	s.startOver()
	for other := range s.running {
		if other.waits && !other.recalled {
			other.recall()
		}
	}
	s.opt.Log.Warn(s.opt.Name+" began anew: what is missing from its answers is doubted for a while",
		"query", e.q, "until", now.Add(distrust).Format(time.TimeOnly))
}

// rest is when a query whose answer has not changed may be asked again at the
// earliest. Its share of a connection may have ended early, since the index of
// some queries moves with any change in Consul; it does not get another one in the
// same round.
func (s *Scheduler) rest(e *entry, newer bool, now time.Time) time.Time {
	switch {
	case len(s.entries) > s.opt.Connections:
		return e.started.Add(round)
	case !newer && now.Sub(e.started) < e.hold:
		return now.Add(pollPause)
	}
	return now
}
