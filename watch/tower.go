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
	covered     int  // queries that it may look after
	idle        bool // it would not be worth its connections
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
	case t.state != asleep && (s.health.down() || t.distrusted || s.connections() < fewest || s.inSight() < s.connections()*9/10):
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
	if s.cover(); t.connections == 0 || t.connections > s.connections()/2 || s.inSight() <= s.connections() {
		t.state, t.retryAt, t.idle = asleep, t.startedAt.Add(lasting), true
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

// inSight is for how many queries a change is seen at once with the sentinel: for those that it
// looks after, and for those that wait for changes over the connections that it leaves.
func (s *Scheduler) inSight() int {
	covered := s.tower.covered
	return covered + min(len(s.entries)-covered, s.left())
}

// cover tells the sentinel what to look after.
func (s *Scheduler) cover() {
	t := &s.tower
	if t.idle { // it may be worth it by now
		t.idle, t.retryAt = false, time.Now()
	}
	if t.state == asleep {
		return
	}
	set := Set{}
	for q, e := range s.entries {
		if !e.removed {
			set.Add(q)
		}
	}
	t.connections, t.covered = t.src.Cover(set)
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
