package render

import (
	"context"
	"slices"
	"time"

	"github.com/ctmpl/ctmpl/render/rollout"
)

// configure sets the templates. One that stays keeps its state.
func (e *Engine) configure(specs []Spec, now time.Time) error {
	for _, t := range e.targets {
		if !t.busy { // else when its rollout has ended
			t.Keep()
		}
	}
	old := e.units
	e.units, e.moved = nil, true
	used := map[*target]bool{}
	for _, spec := range specs {
		u := takeOut(&old, &spec)
		if u == nil {
			u = &unit{}
		}
		u.spec = spec
		e.aim(u, used)
		u.err = u.load()
		e.fatal = e.fatal || u.err != nil && spec.Fatal
		u.now(now)
		e.units = append(e.units, u)
	}
	for _, u := range old {
		u.target.drop(u)
	}
	e.retire()
	e.replan(now)
	return e.openAll()
}

// replan takes in that the plans of the targets may be others. What failed is tried again:
// it may have been the configuration.
func (e *Engine) replan(now time.Time) {
	for _, u := range e.units {
		u.bad = [32]byte{}
	}
	for _, t := range e.targets {
		if t.limit.of != t.spec.bounds() {
			t.limit = newLimit(t.spec)
		}
		t.bad = [32]byte{}
		if t.replanned = t.busy; len(t.failed) > 0 {
			t.retryAt = now
		}
	}
}

// takeOut finds the unit of the same template and removes it from the list.
func takeOut(units *[]*unit, spec *Spec) *unit {
	for i, u := range *units {
		if u.spec.same(spec) {
			*units = append((*units)[:i:i], (*units)[i+1:]...)
			return u
		}
	}
	return nil
}

// aim gives a template its target. used are the targets of this configuration so far.
// What the target before owes, because its reload failed or was still running, the new
// one owes.
func (e *Engine) aim(u *unit, used map[*target]bool) {
	t := e.targetFor(u.spec.targetKey())
	if !used[t] {
		used[t] = true
		t.begin(u)
		// Its place among the others is that of its first template.
		e.targets = append(slices.DeleteFunc(e.targets, func(o *target) bool { return o == t }), t)
	}
	t.join(u)
	if before := u.target; before == nil {
		u.before = e.writes(u.spec.File.Path)
	} else if before != t {
		before.drop(u)
		t.inherit(before)
		e.movePin(before, t)
		if u.before == nil || !u.before.busy { // else its output may still be on its way from there
			u.before = before
		}
	}
	u.target = t
}

// movePin pins the target that a template of a pinned one comes to: it is to stay as it is.
func (e *Engine) movePin(from, to *target) {
	if from.hold.pin == nil || to.hold.pin != nil {
		return
	}
	to.hold.end()
	to.hold.pin = from.hold.pin
	from.pinMoved = true
	if to.Record != nil && to.Record.Name == to.label {
		e.pin(to, *from.hold.pin)
	}
}

// writes gives the target that has a rollout of a destination under way, perhaps of a
// template that is gone; nil when there is none.
func (e *Engine) writes(path string) *target {
	for _, t := range e.targets {
		for _, r := range t.flying {
			if t.busy && slices.ContainsFunc(r.files, func(f rollout.File) bool { return f.Path == path }) {
				return t
			}
		}
	}
	return nil
}

func (e *Engine) targetFor(key string) *target {
	for _, t := range e.targets {
		if t.key == key {
			return t
		}
	}
	t := e.newTarget(key)
	e.targets = append(e.targets, t)
	return t
}

// begin sets a target up anew, from its first template.
func (t *target) begin(u *unit) {
	s := u.spec.Target
	t.spec, t.label = s, nameOf(u)
	t.plan = rollout.Plan{Driver: s.Driver, Canonical: s.Canonical, Undo: s.Driver != nil || s.Group != ""}
	if !s.Check.None() {
		t.plan.Checks = append(t.plan.Checks, rollout.Check{Command: s.Check})
		t.plan.Undo = true
	}
	t.plan.Commands = merge(nil, s.Command)
	t.plan.Verifies = merge(nil, s.Verify)
}

// join adds what a template has of its own to the plan of its target: of bounds the
// strictest counts.
func (t *target) join(u *unit) {
	s := u.spec.Target
	t.spec.MinInterval = max(t.spec.MinInterval, s.MinInterval)
	if n := s.MaxPerMinute; n > 0 && (t.spec.MaxPerMinute == 0 || n < t.spec.MaxPerMinute) {
		t.spec.MaxPerMinute = n
	}
	t.spec.OnDrift = max(t.spec.OnDrift, s.OnDrift)
	if s.Canonical == nil {
		t.plan.Canonical = nil
	}
	if !u.spec.Check.None() {
		t.plan.Checks = append(t.plan.Checks, rollout.Check{Command: u.spec.Check, Template: u.spec.File.Path})
	}
	t.plan.Commands = merge(t.plan.Commands, u.spec.Command)
	t.plan.Verifies = merge(t.plan.Verifies, u.spec.Verify)
	t.plan.Undo = t.plan.Undo || len(t.plan.Checks)+len(t.plan.Verifies) > 0
}

// merge adds a command to those that are there, once, with the longest of its times.
func merge(list []rollout.Command, c rollout.Command) []rollout.Command {
	if c.None() {
		return list
	}
	for i := range list {
		if list[i].Key() == c.Key() {
			list[i].Timeout = max(list[i].Limit(), c.Limit())
			return list
		}
	}
	c.Timeout = c.Limit()
	return append(list, c)
}

// retire forgets targets that no template has any more, once their rollout has ended.
func (e *Engine) retire() {
	e.targets = slices.DeleteFunc(e.targets, func(t *target) bool {
		gone := !t.busy && !slices.ContainsFunc(e.units, func(u *unit) bool { return u.target == t })
		if gone && t.pinMoved {
			t.Record.Unpin()
		}
		if gone {
			t.close()
		}
		return gone
	})
}

// Configure sets the templates anew while Run runs. Templates that stay keep what
// they have read. It returns when the engine has taken them over, or when ctx ends.
func (e *Engine) Configure(ctx context.Context, specs []Spec) {
	e.do(ctx, func() {
		if err := e.configure(specs, time.Now()); err != nil {
			e.opt.Log.Error("overwritten all the same: ctmpl runs already", "error", err)
		}
		for _, u := range e.units {
			e.complain(u)
		}
	})
}

// Reread reads the templates of a file again, which has changed.
func (e *Engine) Reread(ctx context.Context, path string) {
	e.do(ctx, func() {
		for _, u := range e.units {
			if u.spec.Source != path {
				continue
			}
			u.err = u.load()
			e.fatal = e.fatal || u.err != nil && u.spec.Fatal
			if u.err == nil {
				e.opt.Log.Info("template changed", "template", path)
				u.why = why{text: "template changed", count: 1}
				u.now(time.Now())
			}
			e.complain(u)
		}
	})
}

// Between calls f while no template is executed. It returns when that is done, or
// when ctx or Run has ended.
func (e *Engine) Between(ctx context.Context, f func()) { e.do(ctx, f) }

// complain says what is wrong with a template that was read again.
func (e *Engine) complain(u *unit) {
	if u.err != nil {
		e.opt.Log.Error("template not used: the last good one stays", "error", u.err)
	}
}

// do has the engine's goroutine call f. When Run has returned nothing is done.
func (e *Engine) do(ctx context.Context, f func()) {
	done := make(chan struct{})
	select {
	case e.events <- func() { f(); close(done) }:
		<-done
	case <-e.ended:
	case <-ctx.Done():
	}
}
