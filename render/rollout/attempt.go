package rollout

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"
)

// attempt is one try to roll out a change. Its steps are: stage all files, check them,
// put them in place, reload, verify, and keep what is good.
type attempt struct {
	Change
	t         *Target
	staged    []*staged
	committed []*staged
	live      bool // the driver can check files only in their places
	idle      bool // what changed needs no reload
	out       Outcome
}

// prepare takes the steps up to the files in their places.
func (a *attempt) prepare(ctx context.Context) {
	if !a.t.putBack(&a.out) {
		return
	}
	if !a.stage() && a.Plan.Undo {
		return
	}
	a.t.at("staged")
	if len(a.staged) == 0 || a.Plan.Undo && !a.check(ctx) {
		return
	}
	a.t.at("checked")
	a.idle = a.equivalent()
	if a.Plan.Undo {
		a.commit(ctx)
	} else {
		a.write()
	}
}

// stage writes all files that differ beside their destinations.
func (a *attempt) stage() bool {
	for _, f := range a.Files {
		s, err := f.stage()
		if err != nil {
			a.out.fail(StepWrite, f.Path, err)
			a.out.Unwritten = append(a.out.Unwritten, f)
		} else if s != nil {
			a.staged = append(a.staged, s)
		}
	}
	return len(a.out.Errs) == 0
}

// check checks the staged files.
func (a *attempt) check(ctx context.Context) bool {
	for _, c := range a.Plan.Checks {
		if err := c.run(ctx, a.staged); err != nil {
			a.blame(StepCheck, c.String(), err)
			return false
		}
	}
	if a.Plan.Driver == nil {
		return true
	}
	err := a.Plan.Driver.Check(ctx, places(a.staged))
	if a.live = errors.Is(err, ErrCheckLive); err == nil || a.live {
		return true
	}
	a.blame(StepCheck, a.Plan.Driver.String(), err)
	return false
}

// blame notes the failure of a check, or the like, and whether it is due to the files.
// A command that could not run to its end says nothing about them.
func (a *attempt) blame(step, on string, err error) {
	a.out.fail(step, on, err)
	var bad *BadError
	var command *CommandError
	a.out.Bad = errors.As(err, &bad) || errors.As(err, &command) && command.exited()
}

// equivalent tells whether the files mean the same as those before.
func (a *attempt) equivalent() bool {
	if a.Plan.Canonical == nil {
		return false
	}
	for _, s := range a.staged {
		if !s.plan.content {
			continue // its owner or mode changes
		}
		before, err := s.plan.disk.ReadFile(s.plan.path)
		if err != nil || s.file.Append || !bytes.Equal(a.Plan.Canonical(before), a.Plan.Canonical(s.file.Content)) {
			return false
		}
	}
	return true
}

// commit puts all files in place, or none.
func (a *attempt) commit(ctx context.Context) {
	if err := a.save(); err != nil {
		a.undo(ctx)
		return
	}
	for i, s := range a.staged {
		if err := s.commit(a.t.Log); err != nil {
			a.out.fail(StepWrite, s.file.Path, err)
			a.undo(ctx)
			return
		}
		a.note(s)
		a.t.at(fmt.Sprintf("committed %d", i+1))
	}
	if !a.live {
		return
	}
	if err := a.Plan.Driver.CheckLive(ctx); err != nil {
		a.blame(StepCheck, a.Plan.Driver.String(), err)
		a.undo(ctx)
	}
}

// save keeps the files before, and notes on disk what it takes to put them back before
// the first of them is touched.
func (a *attempt) save() error {
	var undos []*undo
	for _, s := range a.staged {
		if err := s.prepareUndo(); err != nil {
			a.out.fail(StepWrite, s.file.Path, err)
			return err
		}
		undos = append(undos, s.undo)
	}
	if err := a.t.Record.begin(undos); err != nil {
		a.out.fail(StepWrite, a.t.Record.dir, fmt.Errorf("cannot note what is under way: %w", err))
		return err
	}
	a.t.at("noted")
	for _, s := range a.staged {
		if err := s.undo.save(); err != nil {
			a.out.fail(StepWrite, s.file.Path, err)
			return err
		}
	}
	a.t.at("saved")
	return nil
}

// write puts in place what can be, one by one.
func (a *attempt) write() {
	if !a.Plan.none() {
		if err := a.t.Record.begin(nil); err != nil {
			a.t.Log.Warn("cannot note that a command is owed: it is forgotten if ctmpl is killed now", "error", err)
		}
	}
	a.t.at("noted")
	for i, s := range a.staged {
		if err := s.commit(a.t.Log); err != nil {
			a.out.fail(StepWrite, s.file.Path, err)
			a.out.Unwritten = append(a.out.Unwritten, s.file)
			continue
		}
		a.note(s)
		a.t.at(fmt.Sprintf("committed %d", i+1))
	}
}

// note takes in that a file is in its place.
func (a *attempt) note(s *staged) {
	a.committed = append(a.committed, s)
	a.out.Changed = true
	if !a.idle {
		a.t.owed = true
	}
	a.t.Log.Info("wrote", "file", s.file.Path, "bytes", len(s.file.Content), "why", cmp.Or(s.file.Why, "the destination differed"))
}

// finish takes the steps from there on.
func (a *attempt) finish(ctx context.Context) {
	defer a.close()
	if a.Plan.Undo && len(a.out.Errs) > 0 || len(a.out.Unwritten) > 0 {
		return
	}
	if a.t.owed && !(a.reload(ctx) && a.verify(ctx)) {
		if a.Plan.Undo {
			a.undo(ctx)
		}
		return
	}
	if a.idle && len(a.committed) > 0 {
		a.t.Log.Info("no reload: what changed means the same")
	}
	a.keep()
}

// reload has the files taken over.
func (a *attempt) reload(ctx context.Context) bool {
	if d := a.Plan.Driver; d != nil && !a.drive(ctx, d) {
		return false
	}
	if a.out.Waiting != "" {
		return true
	}
	a.out.Reloaded = a.out.Reloaded || len(a.Plan.Commands) > 0
	for _, c := range a.Plan.Commands {
		start := time.Now()
		if err := c.Run(ctx); err != nil {
			a.out.fail(StepReload, fmt.Sprintf("%q", c), err)
			return false
		}
		a.t.Log.Info("ran", "command", c, "took", time.Since(start).Round(time.Millisecond))
	}
	a.t.at("reloaded")
	return true
}

// drive has a driver reload.
func (a *attempt) drive(ctx context.Context, d Driver) bool {
	start := time.Now()
	err := d.Reload(ctx, a.Version)
	if errors.Is(err, ErrNotRunning) {
		a.out.Waiting = err.Error()
		return true
	}
	a.out.Reloaded = true
	if err != nil {
		a.out.fail(StepReload, d.String(), err)
		return false
	}
	a.t.Log.Info("reloaded", "program", d, "took", time.Since(start).Round(time.Millisecond))
	return true
}

// verify looks whether all is well after the reload.
func (a *attempt) verify(ctx context.Context) bool {
	if a.out.Waiting != "" {
		return true
	}
	for _, c := range a.Plan.Verifies {
		start := time.Now()
		if err := c.Run(ctx); err != nil {
			a.blame(StepVerify, fmt.Sprintf("%q", c), err)
			return false
		}
		a.t.Log.Info("verified", "command", c, "took", time.Since(start).Round(time.Millisecond))
	}
	a.t.at("verified")
	return true
}

// keep notes that what is in place is good.
func (a *attempt) keep() {
	if a.t.owed = a.out.Waiting != ""; !a.t.owed && len(a.Files) == 0 && a.Note == nil {
		a.t.Record.end()
		return
	}
	if err := a.t.Record.add(a.Files, a.Templates, a.Note); err != nil {
		a.t.Log.Warn("cannot keep the good output: there is none to go back to", "error", err)
	}
	a.t.at("kept")
	if a.t.owed { // the reload alone
		_ = a.t.Record.begin(nil)
	} else {
		a.t.Record.end()
	}
	a.t.at("ended")
	for _, s := range a.staged {
		if s.undo != nil {
			s.undo.forget()
		}
	}
}

// undo puts everything back as it was, and has that taken over if need be.
func (a *attempt) undo(ctx context.Context) {
	var undos []*undo
	for _, s := range a.staged {
		if s.undo != nil {
			undos = append(undos, s.undo)
		}
	}
	if len(undos) == 0 {
		return // there was no file to put in place
	}
	a.t.left = undos
	if !a.t.putBack(&a.out) {
		return
	}
	a.out.Undone, a.out.Changed, a.t.owed = true, false, false
	if !a.out.Reloaded || errors.Is(a.out.Errs[len(a.out.Errs)-1], ErrKept) {
		a.t.Record.end()
		return
	}
	a.t.Log.Warn("the files are as they were before: reloading them")
	a.Version = "" // of the files that are gone
	if _ = a.t.Record.begin(nil); !a.reload(ctx) || a.out.Waiting != "" {
		a.t.owed = true // what is running is not known
		return
	}
	a.t.Record.end()
}

// putBack puts back what an earlier rollout, or this one, has changed. What cannot be
// is tried again.
func (t *Target) putBack(out *Outcome) bool {
	var left []*undo
	for i := len(t.left) - 1; i >= 0; i-- {
		if err := t.left[i].restore(); err != nil {
			out.fail(StepUndo, t.left[i].Path, fmt.Errorf("cannot put the file before back (it is kept as %s): %w", t.left[i].Saved, err))
			left = append(left, t.left[i])
			continue
		}
		t.at("put back")
		t.Log.Warn("put back as it was", "file", t.left[i].Path)
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
