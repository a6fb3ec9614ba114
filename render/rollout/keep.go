package rollout

import (
	"time"

	"golang.org/x/time/rate"
)

// Good outputs are kept keepBurst times in a row at once and then once in keepEach, where that need not
// be known before files are touched. To keep one costs as much as to put it in place; and where it
// changes many times a second the last few would all be of one moment, to which nobody wants to go back.
const (
	keepEach  = time.Second
	keepBurst = 3
)

// KeepDue is when Keep is to be called, since what is in place has not been kept yet; zero when all is
// kept.
func (t *Target) KeepDue() time.Time {
	if !t.unkept {
		return time.Time{}
	}
	return t.keepAt
}

// Keep keeps what is in place, if that was put off: when it is due, and before somebody goes back, the
// record is closed or the target changes. No rollout may be under way.
func (t *Target) Keep() {
	if t.unkept {
		t.keeps.Allow()
		a := &attempt{Change: t.latest, t: t, before: before{owed: t.owed}}
		a.record(t.placed)
		a.complete()
	}
}

// keep notes that what is in place is good. Where nobody is there to take it over, the
// reload is owed.
func (a *attempt) keep() {
	a.t.owed = a.out.Waiting != ""
	if len(a.t.placed) > 0 && !a.defers() {
		a.record(a.t.placed)
	}
	if a.Pin != nil {
		if err := a.t.Record.Pin(*a.Pin); err != nil {
			a.t.Log.Warn("cannot note that the target is to stay as it is: that is forgotten at the next start", "error", err)
		}
	}
	a.t.at("kept")
	a.complete()
	a.t.at("ended")
}

// record keeps a good output.
func (a *attempt) record(placed map[string]File) {
	a.t.unkept = false
	if err := a.t.Record.add(placed, a.Change); err != nil {
		a.t.Log.Warn("cannot keep the good output: there is none to go back to", "error", err)
		return
	}
	a.t.placed = nil
}

// defers tells whether what is in place is kept later, and notes until then that nobody else has put
// it there.
func (a *attempt) defers() bool {
	t := a.t
	if t.keeps == nil {
		t.keeps = rate.NewLimiter(rate.Every(keepEach), keepBurst)
	}
	if a.durable() || a.Pin != nil || t.keeps.Allow() {
		return false
	}
	if noted := t.unkept && a.Plan.none(); !noted { // with a command something else was noted since
		if err := t.Record.begin(pending{Unkept: true}, false); err != nil {
			return false
		}
	}
	now := time.Now()
	t.keepAt = now.Add(time.Duration((1 - t.keeps.TokensAt(now)) * float64(keepEach)))
	t.unkept, t.latest = true, Change{Plan: a.Plan, Templates: a.Templates, Note: a.Note}
	return true
}

// keepBefore keeps what was good before, of which that was put off: what came then was not.
func (a *attempt) keepBefore() {
	if !a.t.unkept {
		return
	}
	since := a.t.placed
	(&attempt{Change: a.t.latest, t: a.t}).record(a.before.placed)
	a.t.placed = since
	if err := a.t.Record.renumber(); err != nil {
		a.t.Log.Warn("cannot note what is under way: if ctmpl is killed now it takes what it has written for somebody else's", "error", err)
	}
}
