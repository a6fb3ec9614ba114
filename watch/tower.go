package watch

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// fewest is the number of connections below which a sentinel leaves none for queries.
const fewest = 16

// recheck is about how often a query is asked though the sentinel has noticed nothing: what
// it leans on is not documented, and one that misses something is not trusted any more.
const recheck = 30 * time.Minute

// hotTime is for how long a query whose answer has changed waits for the next change itself.
const hotTime = 2 * time.Minute

// fetchHold is how long a query waits for a change that was noticed: it may be asked of a
// server that does not know it yet.
const fetchHold = 2 * time.Second

// startTime is for how long queries wait for a sentinel that is started for the first time.
const startTime = 5 * time.Second

// lasting is how long a sentinel has to work until its next failure is a new one.
const lasting = time.Minute

// tower is what the scheduler knows of the sentinel.
type tower struct {
	src         Sentinel // nil when the source is none
	state       towerState
	again       bool // it has been ready, or failed, before
	connections int  // that it takes
	cancel      context.CancelFunc
	notices     chan Notice
	ended       chan error
	startedAt   time.Time
	readyAt     time.Time
	retryAt     time.Time
	retry       *backoff.ExponentialBackOff
	complaint   string // the last one that was logged
	distrusted  bool   // it has missed a change
}

type towerState int

const (
	asleep towerState = iota
	starting
	ready
)

func newTower(src Source) tower {
	t := tower{notices: make(chan Notice), ended: make(chan error), retry: newBackOff(time.Second, 5*time.Minute)}
	t.src, _ = src.(Sentinel)
	return t
}

// watchtower starts the sentinel when there are more queries than connections, and ends it when
// they fit again, or nothing can be reached.
func (s *Scheduler) watchtower(ctx context.Context) {
	t := &s.tower
	switch {
	case t.src == nil:
	case t.state == asleep && s.crowded() && s.untilClimb() <= 0:
		s.climb(ctx)
	case t.state != asleep && (s.health.down() || t.distrusted || s.connections() < fewest || len(s.entries) < s.connections()*9/10):
		t.cancel()
	case t.state == starting && !t.again && time.Since(t.startedAt) >= startTime:
		t.again = true // it takes too long to wait for
		s.relane()
	}
}

// climb starts the sentinel.
func (s *Scheduler) climb(ctx context.Context) {
	t := &s.tower
	t.state, t.startedAt = starting, time.Now()
	if s.cover(); t.connections == 0 || t.connections > s.connections()/2 { // there is nothing to look after, or no room for it
		t.state, t.retryAt = asleep, t.startedAt.Add(lasting)
		return
	}
	watch, cancel := context.WithCancel(ctx)
	t.cancel = cancel
	s.workers.Go(func() {
		err := t.src.Watch(watch, func(n Notice) {
			select {
			case t.notices <- n:
			case <-watch.Done():
			}
		})
		select {
		case t.ended <- err:
		case <-ctx.Done():
		}
	})
	s.relane()
}

// cover tells the sentinel what to look after.
func (s *Scheduler) cover() {
	if s.tower.state == asleep {
		return
	}
	set := Set{}
	for q, e := range s.entries {
		if !e.removed {
			set.Add(q)
		}
	}
	s.tower.connections = s.tower.src.Cover(set)
}

// heed takes in a notice.
func (s *Scheduler) heed(n Notice) {
	if n.Ready && s.tower.state == starting {
		s.handOver()
	}
	now := time.Now()
	for _, q := range n.Stale {
		if e := s.entries[q]; e != nil {
			s.stale(e, now)
		}
	}
}

// handOver has the sentinel look after what it covers. All that is covered is asked once more within
// a round; what waits at once, as its connection is needed, and its answer may be on the way.
func (s *Scheduler) handOver() {
	t := &s.tower
	say := s.opt.Log.Info
	if !t.readyAt.IsZero() {
		say = s.opt.Log.Debug
	}
	t.state, t.again, t.readyAt = ready, true, time.Now()
	s.cover() // of which it may cover more than before
	say("more queries than connections: sentinels look after them", "queries", len(s.entries), "connections", t.connections)
	s.relane()
	for e := range s.running {
		if e.waits && e.lane == &s.lanes.fetches {
			e.recall()
		}
	}
}

// stale acts on a notice that an answer may have changed.
func (s *Scheduler) stale(e *entry, now time.Time) {
	e.noticed = true
	switch {
	case e.pos < 0: // under way: who knows what the answer will have
		e.again = true
	case e.due.After(now) && e.trouble.count == 0:
		e.wait(e.pace.earliest(now))
	}
}

// fallen takes in that the sentinel has ended.
func (s *Scheduler) fallen(err error, now time.Time) {
	t := &s.tower
	t.cancel()
	if t.state == ready && now.Sub(t.readyAt) > lasting {
		t.complaint = ""
		t.retry.Reset()
	}
	t.state, t.again = asleep, true
	s.relane()
	s.unpark(now)
	if err == nil {
		if t.retryAt = now; now.Sub(t.readyAt) < round { // not again and again
			t.retryAt = now.Add(t.retry.NextBackOff())
		}
		return
	}
	t.retryAt = now.Add(t.retry.NextBackOff())
	if text := err.Error(); text != t.complaint && !errors.Is(err, ErrUnreachable) && !errors.Is(err, ErrRefused) { // which queries will tell
		t.complaint = text
		s.opt.Log.Warn(s.opt.Name+": sentinels cannot look after the queries: they take turns for now", "queries", len(s.entries), "error", err)
	}
}

// unpark has all queries asked that wait for notices, within a round when there are many.
func (s *Scheduler) unpark(now time.Time) {
	within := round
	if len(s.entries) <= s.connections() {
		within = time.Millisecond
	}
	for _, e := range s.entries {
		e.known = false
		if e.pos >= 0 && e.due.After(now.Add(within)) && e.trouble.count == 0 {
			e.wait(now.Add(rand.N(within)))
		}
	}
}

// untilClimb is the time until the sentinel is to be started again, or has had its time to start.
func (s *Scheduler) untilClimb() time.Duration {
	switch t := &s.tower; {
	case t.src != nil && t.state == asleep && s.crowded() && !s.health.down():
		return time.Until(t.retryAt)
	case t.state == starting && !t.again:
		return time.Until(t.startedAt.Add(startTime))
	}
	return time.Hour
}

// crowded tells whether there are more queries than connections, and enough of these for a sentinel.
func (s *Scheduler) crowded() bool {
	all := s.connections()
	return all >= fewest && len(s.entries) > all && !s.tower.distrusted
}

// laneOf gives the lane in which a query is asked.
func (s *Scheduler) laneOf(e *entry) *lane {
	l := &s.lanes
	switch t := &s.tower; {
	case t.state == asleep || t.state == starting && t.again || !t.src.Covers(e.q):
		return &l.turns
	case e.lane == &l.hot:
		return &l.hot
	}
	return &l.fetches
}

// relane brings each query to its lane.
func (s *Scheduler) relane() {
	for _, e := range s.entries {
		if !e.removed {
			e.move(s.laneOf(e))
		}
	}
}

// watched tells whether changes of an answer are noticed.
func (s *Scheduler) watched(e *entry) bool {
	return s.tower.state == ready && e.lane != &s.lanes.turns
}

// settle decides how a query goes on that the sentinel looks after, after an answer. What
// was noticed while it was asked may not be in the answer.
func (s *Scheduler) settle(e *entry, changed, newer bool, now time.Time) {
	known := e.known
	e.known = e.from != &s.lanes.turns && !e.started.Before(s.tower.readyAt) // else it was asked before changes were noticed
	e.noticed = e.again || !e.known
	switch {
	case changed && known && !broad(e.q):
		e.changed = now
		s.warm(e)
	case e.noticed:
	case e.lane == &s.lanes.hot && now.Sub(e.changed) < hotTime:
		if rest := s.rest(e, newer, now); rest.After(e.due) {
			e.due = rest
		}
	default:
		s.park(e, now)
	}
}

// broad tells whether a query wakes on changes of nearly everything: to wait for it costs
// more than to be told.
func broad(q Query) bool { return q.Kind == KindServices || q.Kind == KindNodes }

// park has a query wait for a notice.
func (s *Scheduler) park(e *entry, now time.Time) {
	e.move(&s.lanes.fetches)
	e.due = nextRecheck(now)
}

func nextRecheck(now time.Time) time.Time { return now.Add(recheck/2 + rand.N(recheck)) }

// warm gives a query whose answer has changed a blocking query of its own: it takes the place of
// the one that has not changed for longest.
func (s *Scheduler) warm(e *entry) {
	hot := &s.lanes.hot
	if e.lane != hot && len(hot.members) >= hot.most {
		s.cool(s.coldest())
	}
	e.move(hot)
}

// coldest is the hot query that has not changed for longest.
func (s *Scheduler) coldest() *entry {
	var coldest *entry
	for e := range s.lanes.hot.members {
		if coldest == nil || e.changed.Before(coldest.changed) {
			coldest = e
		}
	}
	return coldest
}

// cool takes a query's own blocking query away.
func (s *Scheduler) cool(e *entry) {
	e.move(&s.lanes.fetches)
	if e.pos < 0 {
		e.recall() // it is parked when that has ended
		return
	}
	if !e.noticed {
		e.wait(nextRecheck(time.Now()))
	}
}

// missed tells whether a query shows a change that the sentinel should have noticed.
func (s *Scheduler) missed(e *entry, changed bool, version uint64) bool {
	return changed && e.rechecks && !e.noticed && !e.again && e.after > 0 && version > e.after && version <= e.looked
}

// distrust has the queries take turns from now on.
func (s *Scheduler) distrust(e *entry) {
	s.tower.distrusted = true
	s.opt.Log.Warn(s.opt.Name+": the sentinels have missed a change: queries take turns from now on, which is slower", "query", e.q)
}
