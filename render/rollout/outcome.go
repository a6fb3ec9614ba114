package rollout

import (
	"context"
	"errors"
	"fmt"
)

// complete notes that nothing is under way any more, but for a reload that is owed.
func (a *attempt) complete() {
	switch {
	case a.t.unkept: // which is noted
	case !a.t.owed:
		if err := a.t.Record.end(); err != nil {
			a.t.Log.Warn("cannot note that the rollout is complete: the next start of ctmpl undoes it, and rolls it out again", "error", err)
			return
		}
	case a.out.Changed || !a.before.owed: // else that is noted already
		a.t.owe()
	}
	for _, u := range a.undos {
		u.forget()
	}
	a.undos = nil
}

// undo puts everything back as it was, and has that taken over if need be.
func (a *attempt) undo(ctx context.Context) {
	if len(a.undos) == 0 {
		return // no file was to be put in place
	}
	a.t.left, a.t.placed = a.undos, a.before.placed
	if !a.t.putBack(&a.out) {
		return // the reload is owed, once they are back
	}
	a.out.Undone, a.out.Changed, a.t.owed = true, false, a.before.owed
	if a.out.Reloaded && !errors.Is(a.out.Errs[len(a.out.Errs)-1], ErrKept) {
		a.t.Log.Warn("the files are as they were before: reloading them")
		a.Version, a.out.Waiting = "", "" // of the files that are gone
		a.t.owe()
		// If that fails, what is running is not known.
		a.t.owed = !a.reload(ctx) || a.out.Waiting != ""
		a.out.Waiting = ""
	}
	if a.t.owed {
		a.t.owe()
		return
	}
	_ = a.t.Record.end() // to put back what is back already does no harm
}

// owe notes on disk that a reload is owed, and nothing else: the files are good.
func (t *Target) owe() {
	if err := t.Record.begin(pending{Owed: true}, false); err != nil {
		t.Log.Warn("cannot note that a reload is owed: it is forgotten if ctmpl is killed now", "error", err)
	}
}

// putBack puts back what an earlier rollout, or this one, has changed. What cannot be
// is tried again; what somebody else has changed since is left alone.
func (t *Target) putBack(out *Outcome) bool {
	var left []*undo
	for i := len(t.left) - 1; i >= 0; i-- {
		u := t.left[i]
		switch err := u.restore(); {
		case errors.Is(err, errForeign), errors.Is(err, errGone):
			t.Log.Warn("not put back", "file", u.Path, "reason", err)
			u.forget()
		case err != nil:
			out.fail(StepUndo, u.Path, fmt.Errorf("cannot put the file before back (it is kept beside it as %s): %w", u.Saved, err))
			left = append(left, u)
		default:
			t.at("put back")
			t.Log.Warn("put back as it was", "file", u.Path)
		}
	}
	t.left = left
	return len(left) == 0
}

// close removes what was staged in vain.
func (a *attempt) close() {
	for _, s := range a.staged {
		s.close()
	}
}
