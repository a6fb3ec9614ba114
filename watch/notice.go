package watch

import (
	"math/rand/v2"
	"time"
)

// recheck is about how often a query is asked though the sentinel has noticed nothing: what
// it leans on is not documented, and one that misses something is not trusted any more.
const recheck = 30 * time.Minute

// hotTime is for how long a query whose answer has changed waits for the next change itself.
const hotTime = 2 * time.Minute

// stayHot is for how long another query cannot take that from it.
const stayHot = 10 * time.Second

// fetchHold is how long a query waits for a change that was noticed: it may be asked of a
// server that does not know it yet.
const fetchHold = 2 * time.Second

// briefHold is for how long it does when it has had an answer lately, which may be the change
// already: many are noticed in several ways. It is asked again until fetchHold has passed. An
// agent (v1.20) takes longer than that for the first answer to a wait.
const briefHold = 100 * time.Millisecond

// fetchHold is how long a query is held that waits for a notice otherwise.
func (e *entry) fetchHold(now time.Time) time.Duration {
	if now.Sub(e.heard) < hotTime {
		return briefHold
	}
	return fetchHold
}

// stale acts on a notice that an answer may have changed.
func (s *Scheduler) stale(e *entry, now time.Time) {
	e.noticed, e.noticedAt = true, now
	switch {
	case e.pos < 0: // under way: who knows what the answer will have
		e.again = true
	case e.due.After(now) && e.trouble.count == 0:
		e.wait(e.pace.earliest(now))
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
	vain := e.noticed && !newer && e.hold < fetchHold && now.Sub(e.noticedAt) < fetchHold
	e.noticed = e.again || !e.known || vain
	switch {
	case changed && known && !broad(e.q) && s.warm(e, now):
	case vain && !e.again:
		e.due = now.Add(pollPause)
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
// the one that has not changed for longest. Where thousands change, each once, that would be a connection
// that is closed for each change, and another one made; so that one has its place for a while.
func (s *Scheduler) warm(e *entry, now time.Time) bool {
	e.changed = now
	hot := &s.lanes.hot
	if e.lane != hot && len(hot.members) >= hot.most {
		coldest := s.coldest()
		if coldest == nil || now.Sub(coldest.changed) < stayHot {
			return false
		}
		s.cool(coldest)
	}
	e.move(hot)
	return true
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
