package watch

import (
	"container/heap"
	"context"
	"fmt"
	"time"
)

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
