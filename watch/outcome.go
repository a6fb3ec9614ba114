package watch

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// finish takes in what a worker brought.
func (s *Scheduler) finish(ctx context.Context, r result) {
	e := r.e
	e.cancel()
	delete(s.running, e)
	e.from.running--
	defer s.health.ended(e)
	if ctx.Err() != nil {
		return
	}
	if e.removed {
		delete(s.entries, e.q)
		e.leave()
		return
	}
	now := time.Now()
	wasDown, had := s.health.down(), e.trouble
	switch {
	case r.err != nil && e.recalled:
		s.takenBack(e, now)
	case r.err != nil:
		s.fail(e, r.err, now)
	default:
		s.succeed(e, r.answer, now)
	}
	switch down := s.health.down(); {
	case down && !wasDown:
		s.startOver()
	case wasDown && !down && s.health.probe == e:
		s.hurry(now, func(*entry) bool { return true })
	case r.err == nil && had.lasted(now):
		s.hurry(now, func(other *entry) bool { return other.trouble.text == had.text && other.trouble.lasted(now) })
	}
	e.lane.push(e)
}

// takenBack goes on with a query whose connection was taken back. One that was looked
// after all the time has nothing to ask.
func (s *Scheduler) takenBack(e *entry, now time.Time) {
	e.due = now
	if e.from == &s.lanes.hot && e.lane == &s.lanes.fetches && e.known && !e.noticed {
		s.park(e, now)
	}
}

// startOver has all queries asked from index 0: what comes back after an outage
// may have begun anew, and an index that is too high hides changes.
func (s *Scheduler) startOver() {
	for _, e := range s.entries {
		e.after = 0
	}
}

// hurry has queries asked soon that wait because of what is over now. It is not called when
// a query that was under way all the time shows that the source was never gone; then the one
// that could not reach it backs off by itself.
func (s *Scheduler) hurry(now time.Time, held func(*entry) bool) {
	for _, e := range s.oneByOne(now, max(leastSpread, spread(len(s.entries))), held) {
		e.trouble.eased = now
	}
}

// oneByOne makes the queries due that wait and are held, one after the other within a time,
// those without any answer first.
func (s *Scheduler) oneByOne(now time.Time, within time.Duration, held func(*entry) bool) []*entry {
	var list []*entry
	for _, e := range s.entries {
		if e.pos >= 0 && held(e) {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b *entry) int { return a.due.Compare(b.due) })
	for i, e := range list {
		gap := within / time.Duration(len(list))
		e.wait(now.Add(gap*time.Duration(i) + rand.N(gap)))
	}
	return list
}

// atOnce is how early an answer comes that was not waited for.
const atOnce = 500 * time.Millisecond

// crowd is how many queries with the same error are spread anew each time that their number
// has doubled: the first ones did not know how many would follow.
const crowd = 8

// leastSpread is the least time over which queries are spread when a source is back:
// others have lost it as well.
const leastSpread = 500 * time.Millisecond

func (s *Scheduler) fail(e *entry, err error, now time.Time) {
	e.after = 0 // an index from before the fault may be too high, and would hide changes
	if e.lane == &s.lanes.hot {
		e.move(&s.lanes.fetches)
	}
	e.due = s.health.failed(e, err, now)
	if n := s.health.problems[e.trouble.text]; n >= crowd && n&(n-1) == 0 && s.opt.Retry.Attempts <= 0 {
		s.oneByOne(now, spread(2*n), func(other *entry) bool { return other.trouble.count == 1 && other.trouble.text == e.trouble.text })
	}
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
	if s.missed(e, changed, answer.Version) {
		s.distrust(e)
	}
	if e.waits {
		e.heard = now
	}
	e.count(newer && !changed, now)
	e.after = answer.Version
	e.answered = e.answered || answer.Value != nil
	s.warnOfSize(e, answer.Value)
	if s.watched(e) {
		s.settle(e, changed, newer, now)
		return
	}
	if changed {
		return
	}
	if rest := s.rest(e, newer, now); rest.After(e.due) {
		e.due = rest
	}
}

// huge is the length of a list from which on it is slow that each change of it is read,
// decoded and compared as a whole: about a second for 100,000 instances.
const huge = 20_000

// warnOfSize says once that an answer is large.
func (s *Scheduler) warnOfSize(e *entry, value any) {
	if n, _ := Len(value); n >= huge && !e.large {
		e.large = true
		s.opt.Log.Warn("an answer is very long: each change of it takes its time, as all of it is read again", "query", e.q, "length", n)
	}
}

// began acts on an answer that shows that the source's state began anew. What waits now
// waits for indexes that are too high: an agent that is restarted quickly is not seen to
// be gone by all queries, or by none.
func (s *Scheduler) began(e *entry, now time.Time) {
	s.startOver()
	s.unpark(now)
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
//
// An answer that comes at once though it is not new is due to something between that does not
// hold queries. One may come early as well: a source may hold a query for less than it was asked.
func (s *Scheduler) rest(e *entry, newer bool, now time.Time) time.Time {
	switch {
	case len(s.lanes.turns.members) > s.lanes.turns.most:
		return e.started.Add(round)
	case !newer && now.Sub(e.started) < min(e.hold, atOnce):
		return now.Add(pollPause)
	case e.vain > 1:
		return now.Add(vainPause(e.vain - 1))
	}
	return now
}
