package watch

import (
	"container/heap"
	"context"
	"time"
)

// lane is a share of the connections for queries that are asked in the same manner.
type lane struct {
	members map[*entry]struct{}
	waiting dueHeap // of the members
	running int     // started in it, members or not any more
	most    int     // that may be started
}

func (l *lane) push(e *entry) { heap.Push(&l.waiting, e) }

// free tells whether there is a query that waits, and a connection for it.
func (l *lane) free() bool { return l.waiting.Len() > 0 && l.running < l.most }

// move makes an entry one of a lane, with where it waits.
func (e *entry) move(to *lane) {
	if e.lane == to {
		return
	}
	waits := e.lane != nil && e.pos >= 0
	if waits {
		heap.Remove(&e.lane.waiting, e.pos)
	}
	if e.lane != nil {
		delete(e.lane.members, e)
	}
	e.lane = to
	to.members[e] = struct{}{}
	if waits {
		to.push(e)
	}
}

// leave takes an entry out of its lane for good.
func (e *entry) leave() {
	if e.pos >= 0 {
		heap.Remove(&e.lane.waiting, e.pos)
	}
	delete(e.lane.members, e)
	e.lane = nil
}

// wait sets when an entry that waits is due.
func (e *entry) wait(due time.Time) {
	e.due = due
	if e.pos >= 0 {
		heap.Fix(&e.lane.waiting, e.pos)
	}
}

// lanes are the manners in which queries are asked.
type lanes struct {
	// turns: each holds a blocking query, if need be in turns.
	turns lane
	// fetches: looked after by the sentinel, each is asked when it may have changed.
	fetches lane
	// hot: looked after as well, and changed lately, each holds a blocking query.
	hot lane
}

func newLanes() lanes {
	var l lanes
	for _, one := range l.all() {
		one.members = map[*entry]struct{}{}
	}
	return l
}

func (l *lanes) all() [3]*lane { return [3]*lane{&l.turns, &l.fetches, &l.hot} }

// MostWatching bounds the connections when there are so many queries that a sentinel
// looks after them, with its own. It does not take more to be quick, and others need some, too.
const MostWatching = 76

// divide gives each lane its part of the connections, and tells how many there are.
func (s *Scheduler) divide() (all int) {
	all = s.connections()
	l, t := &s.lanes, &s.tower
	if t.state != asleep {
		all = s.left()
	}
	l.turns.most, l.fetches.most, l.hot.most = all, 0, 0
	switch {
	case t.state == starting && !t.again: // what is covered is asked when changes of it are noticed
		l.turns.most = all / 4
	case t.state == ready: // turns have what is idle, until the others need it
		few := max(1, all/8) // for fetches, in any case
		// The more connections the sentinel has, the sooner it notices changes, and the less is gained by
		// one for a query itself.
		l.hot.most = max(1, (all-t.connections)*5/8)
		l.turns.most = min(len(l.turns.members), max(all/4, all-few-len(l.hot.members)))
		l.fetches.most = max(few, all-l.turns.most-l.hot.most)
	}
	for len(l.hot.members) > l.hot.most {
		s.cool(s.coldest())
	}
	return all
}

// left is how many connections a sentinel leaves for queries.
func (s *Scheduler) left() int {
	return max(4, min(s.connections(), MostWatching)-s.tower.connections)
}

// connections is how many queries may be asked at once now.
func (s *Scheduler) connections() int {
	if b, ok := s.src.(Budgeted); ok {
		return max(1, b.Budget())
	}
	return s.opt.Connections
}

// dispatch gives what is due to free workers.
func (s *Scheduler) dispatch(ctx context.Context) {
	now := time.Now()
	s.room = s.divide()
	for _, l := range s.lanes.all() {
		for l.free() && len(s.running) < s.room && s.mayStart(l, now) {
			s.start(ctx, l, now)
		}
		if s.urgent(l) || s.overdrawn(l) {
			s.preempt(l)
		}
	}
	if len(s.running) > s.room {
		s.preempt(nil) // one after the other
	}
}

// mayStart tells whether the query at the head of a lane may go now. An unreachable
// source is asked by one query at a time.
func (s *Scheduler) mayStart(l *lane, now time.Time) bool {
	if s.health.down() {
		return s.health.probe == nil && !now.Before(s.health.probeAt)
	}
	return !l.waiting[0].due.After(now)
}

// urgent tells whether a query without any answer waits for a connection, which it gets
// at once.
func (s *Scheduler) urgent(l *lane) bool {
	return l.waiting.Len() > 0 && l.running >= l.most && l.most > 0 && l.waiting[0].due.IsZero() && !s.health.down()
}

// overdrawn tells whether queries that take turns have connections that others need by now.
func (s *Scheduler) overdrawn(l *lane) bool {
	return s.tower.state == ready && l == &s.lanes.turns && l.running > l.most
}

// preempt takes the connection of the query that has held one for longest, of a lane or
// of all.
func (s *Scheduler) preempt(l *lane) {
	var oldest *entry
	for e := range s.running {
		if e.waits && (l == nil || e.from == l) && (oldest == nil || e.started.Before(oldest.started)) {
			oldest = e
		}
	}
	if oldest != nil {
		oldest.recall()
	}
}

// untilDue is the time until the next query can be started.
func (s *Scheduler) untilDue() time.Duration {
	rest := time.Hour // until a result, a notice or a new set comes
	if len(s.running) >= s.room {
		return rest
	}
	for _, l := range s.lanes.all() {
		if !l.free() {
			continue
		}
		if s.health.down() {
			if s.health.probe != nil {
				return time.Hour
			}
			return time.Until(s.health.probeAt)
		}
		rest = min(rest, time.Until(l.waiting[0].due))
	}
	return rest
}
