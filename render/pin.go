package render

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/ctmpl/ctmpl/render/rollout"
)

// Drift is what to do at the start with a target whose files somebody else has changed
// since they were applied.
type Drift int

// What to do with such a target.
const (
	DriftOverwrite Drift = iota // render and apply as ever
	DriftKeep                   // leave it as it is until it is released
	DriftRefuse                 // do not start
)

// nameOf gives the name of a target: of its group, or of its first destination.
func nameOf(u *unit) string {
	if u.spec.Target.Group != "" {
		return u.spec.Target.Group
	}
	if path, err := filepath.Abs(u.spec.File.Path); err == nil {
		return path
	}
	return u.spec.File.Path
}

// open opens the record of a target, takes up what was under way, and looks for files
// that somebody else has changed. A target with a rollout under way is opened before
// its next one.
func (e *Engine) open(t *target) error {
	if t.busy || e.opt.State == nil || t.Record != nil && t.Record.Name == t.label || t.stateless == t.label {
		return nil
	}
	t.close()
	record, err := e.opt.State.Open(t.label)
	if err != nil {
		t.stateless = t.label
		e.opt.Log.Warn("no good output is kept of a target: there is none to go back to", "target", t.label, "directory", e.opt.State.Path(t.label), "error", err)
		return nil
	}
	t.Record, t.stateless = record, ""
	t.hold.pin = record.Pinned()
	t.Recover(e.destinations(t))
	if t.Owes() {
		t.retryAt = time.Now()
	}
	for _, u := range e.units {
		if u.target == t {
			t.recall(u, time.Now())
		}
	}
	if t.hold.pin != "" {
		e.opt.Log.Warn("the target stays as it is until it is released (ctmpl release)", "target", t.label, "reason", t.hold.pin)
		return nil
	}
	if t.Owes() {
		return nil
	}
	return e.drifted(t)
}

// close lets go of the record.
func (t *target) close() {
	if t.Record != nil {
		t.Record.Close()
		t.Record = nil
	}
}

func (e *Engine) destinations(t *target) []string {
	var paths []string
	for _, u := range e.units {
		if u.target == t && u.spec.File.Path != "" {
			paths = append(paths, u.spec.File.Path)
		}
	}
	return paths
}

// drifted deals with files that are not as they were applied.
func (e *Engine) drifted(t *target) error {
	found := t.Record.Drift()
	if len(found) == 0 {
		return nil
	}
	what := strings.Join(found, "; ")
	switch t.spec.OnDrift {
	case DriftKeep:
		e.pin(t, "somebody else has changed it: "+what)
	case DriftRefuse:
		return fmt.Errorf("%s is not as it was applied last (%s), and on_drift says to refuse that: put it right, or set on_drift to overwrite or keep", t.label, what)
	default:
		e.opt.Log.Warn("somebody else has changed what was applied last: it is overwritten", "target", t.label, "what", what)
	}
	return nil
}

// pin keeps a target as it is until it is released.
func (e *Engine) pin(t *target, why string) {
	t.hold.pin = why
	if err := t.Record.Pin(why); err != nil {
		e.opt.Log.Warn("this cannot be noted: it is forgotten at the next start", "target", t.label, "error", err)
	}
	e.opt.Log.Warn("the target stays as it is until it is released (ctmpl release)", "target", t.label, "reason", why)
}

// restoring is a good output on its way back.
type restoring struct {
	number int
	done   func(string, error)
}

// What can be asked for a target.
const (
	AskApprove  = "approve"  // what is held goes live
	AskRelease  = "release"  // what was rolled back, or kept, is rendered again
	AskRollback = "rollback" // an earlier good output goes live, and stays until it is released
)

// Ask does what somebody asks for a target, or for all of them when the name is empty.
// number is that of the good output for AskRollback, 0 for the one before the last.
// done is told what became of it, maybe later, and once for each target. mine tells
// whether there is such a target.
func (e *Engine) Ask(ctx context.Context, what, name string, number int, done func(string, error)) (mine bool) {
	e.do(ctx, func() {
		for _, t := range e.targets {
			if name == "" || t.label == name {
				mine = true
				e.answer(t, what, number, done)
			}
		}
	})
	return mine
}

func (e *Engine) answer(t *target, what string, number int, done func(string, error)) {
	switch what {
	case AskApprove:
		if len(t.hold.why) == 0 {
			done("nothing is held", nil)
			return
		}
		t.hold.approved = true
		e.opt.Log.Warn("approved: what was held is rolled out", "target", t.label, "why_held", strings.Join(t.hold.why, "; "))
		done("approved", nil)
	case AskRelease:
		done(e.release(t), nil)
	case AskRollback:
		e.rollBack(t, number, done)
	default:
		done("", fmt.Errorf("nobody knows how to %q", what))
	}
}

// release ends a pin: the target is rendered and rolled out as ever.
func (e *Engine) release(t *target) string {
	if t.hold.pin == "" {
		return "it was not kept from changing"
	}
	t.hold.pin = ""
	t.Record.Unpin()
	for _, u := range e.units {
		if u.target == t {
			u.why = why{text: "released", count: 1}
			u.now(time.Now())
		}
	}
	e.opt.Log.Info("released: the target is rendered again", "target", t.label)
	return "released"
}

// rollBack puts an earlier good output in place, as a rollout with all its steps.
func (e *Engine) rollBack(t *target, number int, done func(string, error)) {
	good, files, err := t.Record.Earlier(number)
	if err == nil && t.busy {
		err = errors.New("a rollout is under way: try again when it has ended")
	}
	if err != nil {
		done("", err)
		return
	}
	e.pin(t, rollout.RolledBack(good.Number))
	t.restoring = &restoring{number: good.Number, done: done}
	c := t.change(e.units)
	t.ready, t.flying = t.flying, nil
	c.Files, c.Note, c.Version = files, good.Note, ""
	e.apply(context.Background(), c)
}

// restored takes in what became of a rollback.
func (e *Engine) restored(t *target, out rollout.Outcome) {
	r := t.restoring
	t.restoring = nil
	if len(out.Errs) > 0 {
		r.done("", fmt.Errorf("rolling back to good output %d failed: %w", r.number, out.Errs[0]))
		return
	}
	text := fmt.Sprintf("rolled back to good output %d: it stays until it is released", r.number)
	if out.Waiting != "" {
		text += "; " + out.Waiting
	}
	r.done(text, nil)
}
