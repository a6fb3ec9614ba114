package render

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
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

// openAll opens the records of the targets. The error is of targets that are not to be
// touched.
func (e *Engine) openAll() error {
	var exchanged []*target
	for _, t := range e.targets {
		if e.exchanged(t) {
			exchanged = append(exchanged, t)
		}
	}
	for _, t := range exchanged { // what is kept stays with the files
		t.close()
		t.hold.pin = nil
	}
	for _, t := range e.targets {
		if t.renamed() { // out of the way of others
			e.rename(t, t.label+" (renamed)")
		}
	}
	var errs []error
	for _, t := range e.targets {
		errs = append(errs, e.open(t))
	}
	return errors.Join(errs...)
}

// exchanged tells whether a target has exchanged its name with another one.
func (e *Engine) exchanged(t *target) bool {
	return t.renamed() && slices.ContainsFunc(e.targets, func(o *target) bool {
		return o.renamed() && o.Record.Name == t.label && o.label == t.Record.Name
	})
}

// renamed tells whether a target has its record under another name, and may give it that
// of its own. With a rollout under way it is renamed before its next one.
func (t *target) renamed() bool { return !t.busy && t.Record != nil && t.Record.Name != t.label }

// rename gives the record of a target another name, with all that is in it.
func (e *Engine) rename(t *target, name string) {
	if err := e.opt.State.Rename(t.Record, name); err != nil {
		e.opt.Log.Warn("the good outputs of a target stay under its name before", "target", t.label, "before", t.Record.Name, "error", err)
		t.close()
	}
}

// open opens the record of a target, takes up what was under way, and looks for files
// that somebody else has changed. A target with a rollout under way is opened before
// its next one, as is one whose record a target of before still has.
func (e *Engine) open(t *target) error {
	if t.renamed() && !e.inUse(t.label) {
		e.rename(t, t.label)
	}
	if t.busy || e.opt.State == nil || t.Record != nil || t.stateless == t.label || e.inUse(t.label) {
		return nil
	}
	record, err := e.opt.State.Open(t.label)
	if err != nil {
		t.stateless = t.label
		e.opt.Log.Warn("no good output is kept of a target: there is none to go back to", "target", t.label, "directory", e.opt.State.Path(t.label), "error", err)
		return nil
	}
	t.Record, t.stateless = record, ""
	moved := t.hold.pin != nil
	if moved {
		e.pin(t, *t.hold.pin) // as its templates had at another target
	} else {
		t.hold.pin = record.Pinned()
	}
	t.Recover(e.destinations(t))
	if t.Owes() && t.plan.Undo { // else its files may be half new: they come first
		t.retryAt = time.Now()
	}
	if last := t.Record.Last(); last != nil {
		e.recall(t, *last)
	}
	if moved {
		return nil
	}
	if t.hold.pin != nil {
		e.opt.Log.Warn("the target stays as it is until it is released (ctmpl release)", "target", t.label, "reason", t.hold.pin.Why)
		return nil
	}
	return e.drifted(t)
}

// inUse tells whether a target of ours has a record.
func (e *Engine) inUse(name string) bool {
	return slices.ContainsFunc(e.targets, func(t *target) bool { return t.Record != nil && t.Record.Name == name })
}

// close lets go of the record.
func (t *target) close() {
	if t.Record != nil {
		t.Keep()
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
	found := t.Drift(e.destinations(t))
	if len(found) == 0 {
		return nil
	}
	what := strings.Join(found, "; ")
	switch t.spec.OnDrift {
	case DriftKeep:
		e.pin(t, rollout.Pin{Why: "somebody else has changed it: " + what})
	case DriftRefuse:
		return fmt.Errorf("%s is not as it was applied last (%s), and on_drift says to refuse that: put it right, or set on_drift to overwrite or keep", t.label, what)
	default:
		e.opt.Log.Warn("somebody else has changed what was applied last: it is overwritten", "target", t.label, "what", what)
	}
	return nil
}

// pin keeps a target as it is until it is released.
func (e *Engine) pin(t *target, p rollout.Pin) {
	t.hold.end()
	t.hold.pin = &p
	if err := t.Record.Pin(p); err != nil {
		e.opt.Log.Warn("this cannot be noted: it is forgotten at the next start", "target", t.label, "error", err)
	}
	e.opt.Log.Warn("the target stays as it is until it is released (ctmpl release)", "target", t.label, "reason", p.Why)
}

// restoring is a good output on its way back.
type restoring struct {
	good rollout.Generation
	done func(string, error)
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
	if t.hold.pin == nil {
		return "it was not kept from changing"
	}
	t.hold.pin = nil
	t.Record.Unpin()
	e.rerender(t, "released")
	e.opt.Log.Info("released: the target is rendered again", "target", t.label)
	return "released"
}

// rerender has the templates of a target rendered and rolled out anew.
func (e *Engine) rerender(t *target, reason string) {
	for _, u := range e.units {
		if u.target == t {
			u.why = why{text: reason, count: 1}
			u.now(time.Now())
		}
	}
}

// rollBack puts an earlier good output in place, as a rollout with all its steps. When
// it is good it stays.
func (e *Engine) rollBack(t *target, number int, done func(string, error)) {
	if t.busy {
		done("", errors.New("a rollout is under way: try again when it has ended"))
		return
	}
	t.Keep()
	good, files, err := t.Record.Earlier(number)
	if err != nil {
		done("", err)
		return
	}
	t.restoring = &restoring{good: good, done: done}
	c := t.change(e.units, false)
	c.Files, c.Note, c.Pin, c.Version = files, t.Record.Note(good), rollout.RolledBack(good.Number), ""
	t.version = ""
	e.apply(context.Background(), c)
}

// restored takes in what became of a rollback.
func (e *Engine) restored(t *target, out rollout.Outcome) {
	r := t.restoring
	t.restoring = nil
	if len(out.Errs) > 0 {
		if out.Changed { // what it has put in place stays, without a pin
			e.rerender(t, "rolling back failed")
		}
		r.done("", fmt.Errorf("rolling back to good output %d failed: %w", r.good.Number, out.Errs[0]))
		return
	}
	e.pin(t, *rollout.RolledBack(r.good.Number)) // also when it waits to be taken over
	e.recall(t, r.good)
	text := fmt.Sprintf("rolled back to good output %d: it stays until it is released", r.good.Number)
	if out.Waiting != "" {
		text += "; " + out.Waiting
	}
	r.done(text, nil)
}
