package watch

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// health knows what fails and since when, decides when it is tried again, and
// says so once per change of state.
type health struct {
	name  string
	log   *slog.Logger
	retry Retry

	problems map[string]int // error text → queries that have it now

	downSince time.Time // zero while the source can be reached
	probe     *entry    // the query that asks whether it is back
	probes    int       // how many have failed
	probeAt   time.Time
	probeWait *backoff.ExponentialBackOff
}

// trouble is what one query has gone through since its last success.
type trouble struct {
	count   int
	refused int    // how often the source took no connection for it; not in count
	text    string // "" when the last attempt worked
	since   time.Time
	// eased is when it was brought forward: others had no trouble any more.
	eased time.Time
	wait  *backoff.ExponentialBackOff // nil unless the attempts are counted
}

// lasted tells whether there was trouble for a while that nothing has eased: not with a query
// that fails now and then.
func (t trouble) lasted(now time.Time) bool {
	return t.text != "" && now.Sub(t.since) >= probeMax && now.Sub(t.eased) >= probeMax
}

// refusals is how often in a row a query may be refused before that is a failure: when the
// source is asked less than before, but others take all the connections that there are.
const refusals = 8

// probeMax bounds the wait between probes of an unreachable source: a probe is
// one connection attempt, and what is behind it is all of the data.
const probeMax = 5 * time.Second

func (h *health) down() bool { return !h.downSince.IsZero() }

// failed notes a failure of e and tells when to ask it again.
func (h *health) failed(e *entry, err error, now time.Time) time.Time {
	if errors.Is(err, ErrRefused) && e.trouble.refused < refusals {
		return h.refused(e, now)
	}
	if e.trouble.count == 0 {
		e.trouble.since = now
	}
	e.trouble.count++
	switch unanswered := errors.Is(err, ErrNoAnswer); {
	case errors.Is(err, ErrUnreachable), unanswered && h.down():
		h.unreachable(e, err, now)
	case unanswered:
		h.note(e, err)
	default:
		h.reached(now)
		h.note(e, err)
	}
	return now.Add(h.wait(e))
}

// refused tells when to ask a query again for which the source took no connection: it has
// had its turn, so it goes before others as soon as it may.
func (h *health) refused(e *entry, now time.Time) time.Time {
	h.reached(now)
	e.trouble.refused++
	switch {
	case e.trouble.refused > 1:
	case e.answered:
		return now
	default:
		return time.Time{}
	}
	return now.Add(rand.N(doubled(h.retry.Backoff, e.trouble.refused, h.retry.MaxBackoff)))
}

// wait is how long a query waits that has failed. What many have in common they lose and
// get back at once, as they do not know of each other; so any time up to a bound is as
// likely, which spreads them out most, and the bound grows with the queries that fail here.
// See https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
// Where the attempts are counted the waits are as configured: see probeMax.
func (h *health) wait(e *entry) time.Duration {
	if h.retry.Attempts <= 0 {
		return rand.N(doubled(max(h.retry.Backoff, spread(h.failing())), e.trouble.count, h.retry.MaxBackoff))
	}
	if e.trouble.wait == nil {
		e.trouble.wait = newBackOff(h.retry.Backoff, h.retry.MaxBackoff)
	}
	return e.trouble.wait.NextBackOff()
}

// spread is the time over which n queries are spread that could all be asked at once.
func spread(n int) time.Duration { return min(time.Duration(n)*20*time.Millisecond, round) }

// failing is how many queries fail now.
func (h *health) failing() int {
	n := 0
	for _, queries := range h.problems {
		n += queries
	}
	return n
}

// doubled is the wait after so many failures, without jitter.
func doubled(first time.Duration, failures int, most time.Duration) time.Duration {
	for range failures - 1 {
		if first >= most {
			break
		}
		first *= 2
	}
	return min(first, most)
}

// newBackOff gives waits that double, with a jitter of half of them, and that never
// exceed most.
func newBackOff(first, most time.Duration) *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.RandomizationFactor, b.Multiplier = 0.5, 2
	b.MaxInterval = most * 2 / 3
	b.InitialInterval = min(first, b.MaxInterval)
	b.Reset()
	return b
}

func (h *health) unreachable(e *entry, err error, now time.Time) {
	if !h.down() {
		h.downSince, h.probes = now, 0
		h.probeWait = newBackOff(h.retry.Backoff, h.probeMax())
		h.log.Warn(h.name+" cannot be reached: keeping the last good data and trying on", "error", err)
	} else if e != h.probe {
		return // it was under way when the source went down
	}
	h.probes++
	h.probeAt = now.Add(h.probeWait.NextBackOff())
}

// probeMax is the longest wait between probes. Where the attempts are counted the
// waits are as configured: together they are the time that is to pass before the
// Scheduler gives up.
func (h *health) probeMax() time.Duration {
	if h.retry.Attempts > 0 {
		return h.retry.MaxBackoff
	}
	return min(probeMax, h.retry.MaxBackoff)
}

// ended notes that e is not under way any more.
func (h *health) ended(e *entry) {
	if h.probe == e {
		h.probe = nil
	}
}

// reached notes that the source answered, be it with an error.
func (h *health) reached(now time.Time) {
	if !h.down() {
		return
	}
	h.log.Info(h.name+" can be reached again", "after", now.Sub(h.downSince).Round(time.Millisecond))
	h.downSince, h.probes = time.Time{}, 0
}

// note reports the error of a query, unless another one has the same already.
func (h *health) note(e *entry, err error) {
	text := err.Error()
	if text == e.trouble.text {
		return
	}
	h.forget(e)
	e.trouble.text = text
	h.problems[text]++
	say := h.log.Warn
	if h.problems[text] > 1 {
		say = h.log.Debug
	}
	kept := "no answer yet"
	if e.answered {
		kept = "keeping the last good answer"
	}
	say(h.name+" did not answer a query: "+kept+", trying on", "query", e.q, "error", err)
}

// forget takes e's error off the books.
func (h *health) forget(e *entry) {
	if e.trouble.text == "" {
		return
	}
	if h.problems[e.trouble.text]--; h.problems[e.trouble.text] == 0 {
		delete(h.problems, e.trouble.text)
	}
	e.trouble.text = ""
}

// worked notes a success of e.
func (h *health) worked(e *entry, now time.Time) {
	h.reached(now)
	if text := e.trouble.text; text != "" {
		h.forget(e)
		say := h.log.Debug
		if h.problems[text] == 0 {
			say = h.log.Info
		}
		say(h.name+" answers a query again", "query", e.q, "after", now.Sub(e.trouble.since).Round(time.Millisecond))
	}
	e.trouble = trouble{}
}
