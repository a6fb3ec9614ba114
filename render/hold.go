package render

import (
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/ctmpl/ctmpl/render/rollout"
)

// hold is why a target stays as it is though there is something to roll out.
type hold struct {
	pin      *rollout.Pin // until it is released
	why      []string     // what the guards say
	since    time.Time    // of that
	until    time.Time    // when it is rolled out all the same; zero when never
	approved bool
	judged   bool // the guards have seen what is ready, and the answer cannot change
}

// end forgets what the guards have said. An approval is for as long as the same files
// are tried.
func (h *hold) end() { *h = hold{pin: h.pin, approved: h.approved} }

// held tells whether what is ready must not go live now.
func (e *Engine) held(t *target, now time.Time) bool {
	switch {
	case t.hold.pin != nil:
		t.hold.until = time.Time{}
		t.deal()
		return true
	case t.hold.approved || t.hold.judged && len(t.hold.why) == 0:
		return false
	case !t.hold.judged:
		e.judge(t, now)
	}
	if len(t.hold.why) == 0 {
		return false
	}
	if !t.hold.until.IsZero() && !now.Before(t.hold.until) {
		e.opt.Log.Warn("rolling out what was held: its time is up", "target", t.label, "held_since", t.hold.since.Format(time.TimeOnly), "why", t.hold.why)
		t.hold.approved = true
		return false
	}
	t.deal()
	return true
}

// deal notes that the templates have been dealt with, for now.
func (t *target) deal() {
	for _, r := range t.ready {
		r.unit.done = true
	}
}

// judge asks the guards of the templates.
func (e *Engine) judge(t *target, now time.Time) {
	var why []string
	longest := time.Duration(0)
	for _, r := range t.ready {
		if r.unit.spec.Guard == nil {
			continue
		}
		reasons := e.guard(r, now)
		why = append(why, reasons...)
		if hold := r.unit.spec.Hold; len(reasons) > 0 && (hold < 0 || longest >= 0 && hold > longest) {
			longest = hold
		}
	}
	t.hold.judged = true
	switch {
	case len(why) == 0:
		if len(t.hold.why) > 0 {
			e.opt.Log.Info("no longer held: the data has recovered", "target", t.label)
		}
		t.hold.end()
		t.hold.judged = true
		return
	case len(t.hold.why) == 0:
		t.hold.since = now
	}
	if slices.Equal(why, t.hold.why) {
		return
	}
	t.hold.why = why
	e.sayHeld(t, longest)
}

func (e *Engine) sayHeld(t *target, longest time.Duration) {
	log := e.opt.Log.With("target", t.label, "why", strings.Join(t.hold.why, "; "))
	switch {
	case e.opt.Once:
		e.failed = true
		log.Error("rollout held: the last good output stays")
	case longest < 0:
		t.hold.until = time.Time{}
		log.Warn("rollout held: the last good output stays until the data recovers, or it is approved (ctmpl approve)")
	default:
		t.hold.until = t.hold.since.Add(longest)
		log.Warn("rollout held: the last good output stays until the data recovers, it is approved (ctmpl approve), or the time is up",
			"until", t.hold.until.Format(time.TimeOnly))
	}
}

// guard gives what a template's guard has against its output.
func (e *Engine) guard(r ready, now time.Time) []string {
	u := r.unit
	before, after := map[string][]byte{}, map[string][]byte{}
	same := true
	for _, f := range r.files {
		if f.Append {
			continue
		}
		old, err := os.ReadFile(f.Path)
		if err == nil {
			before[f.Path] = old
		}
		after[f.Path] = f.Content
		same = same && err == nil && string(old) == string(f.Content)
	}
	if same {
		return nil
	}
	doubts := e.doubts(u)
	return u.spec.Guard.Check(u.history.Before(now, u.spec.Guard.Window), u.facts, doubts, before, after)
}

// doubts are why the answers that a template has read are not to be trusted.
func (e *Engine) doubts(u *unit) map[string]string {
	doubts := map[string]string{}
	for q, why := range e.opt.Store.Doubts(maps.Keys(u.used)) {
		doubts[q.String()] = why
	}
	return doubts
}

// remember notes for the guards what went live.
func (e *Engine) remember(t *target, u *unit, now time.Time) {
	facts := u.facts.With(e.doubts(u))
	switch {
	case t.hold.approved:
		u.history.Restart(facts)
	case u.live != nil && facts.Equal(*u.live):
		return // that goes on
	default:
		u.history.Add(now, facts)
	}
	u.live = &facts
}

// reconsider has the guards look again: what they think of an answer may have changed.
// It leaves out what is to be rendered anew, since what is thought of the newer answers
// says nothing about the older ones.
func (e *Engine) reconsider() {
	for _, t := range e.targets {
		if len(t.hold.why) > 0 && !slices.ContainsFunc(t.ready, func(r ready) bool { return e.outdated(r.unit) }) {
			t.hold.judged = false
		}
	}
}

// outdated tells whether a template has read answers that have changed since.
func (e *Engine) outdated(u *unit) bool {
	if !u.dueAt.IsZero() {
		return true
	}
	for q, read := range u.used {
		if _, rev, ok := e.opt.Store.Get(q); ok && rev != read.Revision {
			return true
		}
	}
	return false
}

// limit bounds how often a target is reloaded.
type limit struct {
	of               bounds
	interval, budget *rate.Limiter // nil: no bound
	why              string        // of the wait that is under way
}

// bounds are what a limit is made of.
type bounds struct {
	interval  time.Duration
	perMinute int
}

func (s TargetSpec) bounds() bounds { return bounds{s.MinInterval, s.MaxPerMinute} }

func newLimit(s TargetSpec) limit {
	l := limit{of: s.bounds()}
	if s.MinInterval > 0 {
		l.interval = rate.NewLimiter(rate.Every(s.MinInterval), 1)
	}
	if s.MaxPerMinute > 0 {
		l.budget = rate.NewLimiter(rate.Limit(float64(s.MaxPerMinute)/60), s.MaxPerMinute)
	}
	return l
}

// spend takes in a reload.
func (l *limit) spend(reloaded bool, now time.Time) {
	for _, r := range []*rate.Limiter{l.interval, l.budget} {
		if r != nil && reloaded {
			r.ReserveN(now, 1)
		}
	}
}

// wait is how long it is until there may be a reload.
func (l *limit) wait(now time.Time) (time.Duration, string) {
	longest, why := time.Duration(0), ""
	for _, b := range []struct {
		*rate.Limiter
		name string
	}{{l.interval, "min_reload_interval"}, {l.budget, "max_reloads_per_minute"}} {
		if b.Limiter == nil {
			continue
		}
		if missing := 1 - b.TokensAt(now); missing > 1e-9 {
			if d := time.Duration(missing / float64(b.Limit()) * float64(time.Second)); d > longest {
				longest, why = d, b.name
			}
		}
	}
	return longest, why
}

// turn is when a reload may take place; zero when it may now. It waits for its turn, or
// for workers that drain.
func (e *Engine) turn(t *target, now time.Time) time.Time {
	wait, why := t.limit.wait(now)
	if wait == 0 && t.plan.Driver != nil {
		if why = t.plan.Driver.Busy(); why != "" {
			wait = lookAgain
		}
	}
	if wait == 0 {
		t.limit.why = ""
		return time.Time{}
	}
	if t.limit.why == "" {
		e.opt.Log.Info("reload put off: what changes meanwhile is rolled out with it", "target", t.label, "reason", why)
	}
	t.limit.why = why
	return now.Add(wait)
}
