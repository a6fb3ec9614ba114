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
	t      *Target
	staged []*staged
	undos  []*undo // of what this attempt puts in place
	live   bool    // the driver can check files only in their places
	idle   bool    // what changed needs no reload
	before before
	out    Outcome
}

// before is what a target was like before an attempt.
type before struct {
	owed   bool
	placed map[string]File
}

// prepare takes the steps up to the files in their places.
func (a *attempt) prepare(ctx context.Context) {
	a.before = before{owed: a.t.owed, placed: a.t.placedCopy()}
	if !a.t.putBack(&a.out) {
		a.out.Unwritten = a.Files
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
		switch {
		case err != nil:
			a.out.fail(StepWrite, f.Path, err)
			a.out.Unwritten = append(a.out.Unwritten, f)
		case s != nil:
			a.staged = append(a.staged, s)
		default:
			a.t.place(f)
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
	if !a.save() {
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

// save keeps the files before, and then notes on disk what it takes to put them back,
// before the first of them is touched.
func (a *attempt) save() bool {
	for _, s := range a.staged {
		u, err := s.save()
		if err != nil {
			a.out.fail(StepWrite, s.file.Path, err)
			return false
		}
		a.undos = append(a.undos, u)
	}
	a.t.at("saved")
	if err := a.t.Record.begin(pending{Undo: a.undos, Pin: a.Pin}, a.durable()); err != nil {
		a.out.fail(StepWrite, a.t.Record.dir, fmt.Errorf("cannot note what is under way: %w", err))
		return false
	}
	a.t.at("noted")
	return true
}

// write puts in place what can be, one by one.
func (a *attempt) write() {
	if !a.Plan.none() || a.Durable { // else nothing can be owed
		if err := a.t.Record.begin(pending{Pin: a.Pin}, a.durable()); err != nil {
			a.t.Log.Warn("cannot note what is under way: a command that is owed is forgotten if ctmpl is killed now", "error", err)
		}
	}
	a.t.at("noted")
	for i, s := range a.staged {
		// Whoever renders it renders it anew then, but for one that is to stay.
		s.passing = s.plan.exists && !a.durable() && a.Pin == nil
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
	a.t.place(s.file)
	a.out.Changed, a.out.Idle = true, a.idle
	if !a.idle {
		a.t.owed = true
	}
	a.t.Log.Info("wrote", "file", s.file.Path, "bytes", len(s.file.Content), "why", cmp.Or(s.file.Why, "the destination differed"))
}

// finish takes the steps from there on.
func (a *attempt) finish(ctx context.Context) {
	defer a.close()
	if a.Plan.Undo && len(a.out.Errs) > 0 || len(a.out.Unwritten) > 0 {
		a.keepBefore()
		return
	}
	if a.t.owed && !(a.reload(ctx) && a.verify(ctx)) {
		if a.Plan.Undo {
			a.undo(ctx)
		}
		a.keepBefore()
		return
	}
	if a.idle && a.out.Changed {
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
