package render

import (
	"context"
	"slices"
	"time"
)

// configure sets the templates. One that stays keeps its state.
func (e *Engine) configure(specs []Spec, now time.Time) {
	old := e.units
	e.units = nil
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

// aim gives a template its target: that of all templates with the same command, or
// of its destination when it has none. used are the targets of this configuration
// so far. What the target before owes, because its command failed or was still
// running, the new one owes.
func (e *Engine) aim(u *unit, used map[*target]bool) {
	t := e.targetFor(u.spec)
	if !used[t] {
		used[t] = true
		t.command = u.spec.Command
		// Its place among the others is that of its first template.
		e.targets = append(slices.DeleteFunc(e.targets, func(o *target) bool { return o == t }), t)
	}
	t.command.Timeout = max(t.command.Limit(), u.spec.Command.Limit())
	if before := u.target; before != nil && before != t {
		before.drop(u)
		t.inherit(before)
		if u.before == nil || !u.before.busy { // else its output may still be on its way from there
			u.before = before
		}
	}
	u.target = t
}

func (e *Engine) targetFor(spec Spec) *target {
	key := spec.Command.Key()
	if spec.Command.None() {
		key = "\x00" + spec.File.Path
	}
	for _, t := range e.targets {
		if t.key == key {
			return t
		}
	}
	t := e.newTarget()
	t.key = key
	e.targets = append(e.targets, t)
	return t
}

// retire forgets targets that no template has any more, once their rollout has ended.
func (e *Engine) retire() {
	e.targets = slices.DeleteFunc(e.targets, func(t *target) bool {
		return !t.busy && !slices.ContainsFunc(e.units, func(u *unit) bool { return u.target == t })
	})
}

// Configure sets the templates anew while Run runs. Templates that stay keep what
// they have read. It returns when the engine has taken them over, or when ctx ends.
func (e *Engine) Configure(ctx context.Context, specs []Spec) {
	e.do(ctx, func() {
		e.configure(specs, time.Now())
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
