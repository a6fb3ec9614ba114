package render

import (
	"slices"
	"strings"
	"time"

	"github.com/ctmpl/ctmpl/render/rollout"
)

// publish tells those who look at the records how the targets are.
func (e *Engine) publish() {
	for _, t := range e.targets {
		if t.Record == nil || t.busy {
			continue
		}
		now := e.status(t)
		if now.State == t.told.State && now.Why == t.told.Why && slices.Equal(now.Files, t.told.Files) && slices.Equal(now.Notes, t.told.Notes) {
			continue
		}
		if now.State == t.told.State && now.Why == t.told.Why && t.told.State != "" {
			now.Since = t.told.Since
		}
		if err := t.Record.Tell(now); err != nil && t.told.State != "" {
			e.opt.Log.Warn("cannot tell how a target is", "target", t.label, "error", err)
		}
		t.told = now
	}
}

// status is how a target is.
func (e *Engine) status(t *target) rollout.Status {
	s := rollout.Status{Target: t.label, Files: e.destinations(t), Notes: e.notes(t), Since: time.Now()}
	s.State, s.Why = e.stateOf(t)
	return s
}

func (e *Engine) stateOf(t *target) (state, why string) {
	failed := strings.Join(t.errs, "; ")
	if len(t.failed) > 0 && failed == "" {
		failed = t.failed[0].unit.spec.Name() + ": " + t.failed[0].err
	}
	switch {
	case t.hold.pin != nil:
		return rollout.StatePinned, also(t.hold.pin.Why, failed)
	case len(t.hold.why) > 0 && !t.hold.approved:
		why := strings.Join(t.hold.why, "; ")
		if !t.hold.until.IsZero() {
			why += "; goes live at " + t.hold.until.Format(time.DateTime)
		}
		return rollout.StateHeld, also(why, failed)
	case failed != "":
		return rollout.StateFailed, failed
	case t.away != "":
		return rollout.StateWaiting, t.away
	case t.limit.why != "":
		return rollout.StateWaiting, t.limit.why
	}
	for _, u := range e.units {
		if u.target == t && u.err != nil {
			return rollout.StateFailed, u.err.Error()
		}
	}
	for _, u := range e.units {
		if u.target == t && !u.done {
			return rollout.StateWaiting, "its first output is not complete yet"
		}
	}
	return rollout.StateLive, ""
}

// also adds what failed before to why a target stays as it is.
func also(why, failed string) string {
	if failed == "" {
		return why
	}
	return why + "; the rollout before failed: " + failed
}
