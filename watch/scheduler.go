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
// Beyond that, what the source's Sentinel covers is asked when it notices a change; what
// changed lately has a blocking query of its own. The others take turns: all of them
// within a round, each holding its connection for its share of it.
type Scheduler struct {
	src   Source
	store *Store
	opt   Options

	mu   sync.Mutex
	want Set // the newest set that was asked for, nil when it has been taken over
	wake chan struct{}

	// The rest belongs to the goroutine of Run.
	entries map[Query]*entry
	lanes   lanes
	tower   tower
	room    int // for how many queries there is, in all lanes
	running map[*entry]struct{}
	workers sync.WaitGroup
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
	lane     *lane
	from     *lane // in which it was started
	pos      int   // in the heap of those who wait in its lane, -1 when it does not
	cancel   context.CancelFunc
	waits    bool // it was asked for something newer than after
	recalled bool // its connection was taken back
	large    bool // it was said that the answer is
	removed  bool // not wanted any more, but still under way
	started  time.Time
	hold     time.Duration
	trouble  trouble
	pace     pace
	vain     int // waits in a row that ended with an answer that was the same

	// What the sentinel looks after:
	noticed   bool      // the answer may have changed
	noticedAt time.Time // the last time
	again     bool      // that was noticed while it was being asked for
	known     bool      // there has been an answer since the sentinel looks after it
	heard     time.Time // the last answer to a wait
	changed   time.Time // the answer, the last time
	rechecks  bool      // it was asked though nothing was noticed
	looked    uint64    // what the sentinel had noticed by then
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
		lanes:   newLanes(),
		tower:   newTower(src),
		running: map[*entry]struct{}{},
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
		s.watchtower(ctx)
		s.dispatch(ctx)
		timer.Reset(min(s.untilDue(), s.untilClimb(), s.store.settle(time.Now())))
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case r := <-s.results:
			s.finish(ctx, r)
		case n := <-s.tower.notices:
			s.heed(n)
		case err := <-s.tower.ended:
			s.fallen(err, time.Now())
		case <-timer.C:
		}
	}
	return s.fatal
}

// work asks once, and hands over what comes. Each question has a goroutine of its own: the stack
// of one that has read an answer would stay large for the minute that the next one waits.
func (s *Scheduler) work(ctx context.Context, j job) {
	answer, err := s.src.Fetch(j.ctx, j.q, j.after, j.hold)
	select {
	case <-ctx.Done():
	case s.results <- result{e: j.e, answer: answer, err: err}:
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
	news := false
	for q, e := range s.entries {
		if _, ok := want[q]; !ok && !e.removed {
			s.remove(e)
			news = true
		}
	}
	for q := range want {
		switch e := s.entries[q]; {
		case e == nil:
			e = &entry{q: q, pos: -1}
			s.entries[q] = e
			e.move(s.laneOf(e))
			e.lane.push(e)
		case e.removed:
			e.removed, e.noticed, e.again = false, true, true
			e.move(s.laneOf(e))
		default:
			continue
		}
		news = true
	}
	if news {
		s.cover()
	}
}

// remove forgets e. While it is under way its entry stays, so that the query is not
// asked twice at once when it is wanted again meanwhile.
func (s *Scheduler) remove(e *entry) {
	s.store.Drop(e.q)
	s.health.forget(e)
	if _, ok := s.running[e]; !ok {
		delete(s.entries, e.q)
		e.leave()
		return
	}
	e.removed, e.answered, e.known, e.after = true, false, false, 0
	e.recall()
}

// share is how long one query may hold its connection. A connection that is held
// for longer, from a time with fewer queries, is not taken back for that: new
// queries take the places of as many as they need.
func (s *Scheduler) share() time.Duration {
	turns := &s.lanes.turns
	if len(turns.members) <= turns.most {
		return s.opt.Hold
	}
	return min(s.opt.Hold, round*time.Duration(turns.most)/time.Duration(len(turns.members)))
}

// recall takes back the connection that e holds.
func (e *entry) recall() {
	e.recalled = true
	e.cancel()
}

// start gives the query at the head of a lane to a worker.
func (s *Scheduler) start(ctx context.Context, l *lane, now time.Time) {
	e := heap.Pop(&l.waiting).(*entry)
	jobCtx, cancel := context.WithCancel(ctx)
	e.cancel, e.recalled, e.again, e.rechecks, e.from = cancel, false, false, false, l
	after := e.after
	switch l {
	case &s.lanes.turns:
		e.hold = s.share()
	case &s.lanes.hot:
		e.hold = s.opt.Hold
	default:
		e.hold = min(s.opt.Hold, e.fetchHold(now))
		if !e.noticed {
			after = 0
		}
		e.rechecks, e.looked = e.known && !e.noticed, s.tower.src.Noticed(e.q)
	}
	e.started, e.waits = now, after > 0
	if s.health.down() {
		s.health.probe = e
	}
	s.running[e] = struct{}{}
	l.running++
	j := job{e: e, ctx: jobCtx, q: e.q, after: after, hold: e.hold}
	s.workers.Go(func() { s.work(ctx, j) })
}
