package render

import (
	"context"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/ctmpl/ctmpl/render/rollout"
)

// What failed in a rollout is tried again after retryFirst, and then after waits
// that double up to retryMax.
const (
	retryFirst = time.Second
	retryMax   = time.Minute
)

// gatherFor is how long the first rollout waits for templates that share a command
// and are not complete yet: they mostly are within milliseconds of each other, and
// each command more is a reload more.
const gatherFor = time.Second

// target is a rollout target with what the engine knows of it.
type target struct {
	*rollout.Target
	key         string // of the command, or of the destination without one
	command     rollout.Command
	ready       []ready // to be rolled out
	flying      []ready // being rolled out
	failed      []ready // could not be written
	begun       bool    // there was a rollout
	busy        bool    // a rollout is under way
	owed        bool    // the command is to run: a template has brought that from another target
	news        bool    // files have changed, and the command has not succeeded since
	retryAt     time.Time
	backoff     *backoff.ExponentialBackOff
	gatherUntil time.Time // see gathers
}

// ready are the rendered files of a template, its destination last.
type ready struct {
	unit  *unit
	files []rollout.File
}

// among gives those of the files that are in a list.
func (r ready) among(list []rollout.File) ready {
	r.files = slices.DeleteFunc(slices.Clone(r.files), func(f rollout.File) bool {
		return !slices.ContainsFunc(list, func(l rollout.File) bool { return l.Path == f.Path })
	})
	return r
}

func (e *Engine) newTarget() *target {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval, b.Multiplier = retryFirst, retryMax, 2
	b.Reset()
	return &target{Target: &rollout.Target{Log: e.opt.Log}, backoff: b}
}

// take notes files to roll out, in place of older ones of the same template.
func (t *target) take(u *unit, files []rollout.File) {
	t.drop(u)
	t.ready = append(t.ready, ready{u, files})
}

// drop forgets the files of a template, also those that could not be written: nobody
// wants them any more, so they must not hold up the command.
func (t *target) drop(u *unit) {
	of := func(r ready) bool { return r.unit == u }
	t.ready, t.failed = slices.DeleteFunc(t.ready, of), slices.DeleteFunc(t.failed, of)
	if len(t.ready) == 0 {
		t.gatherUntil = time.Time{}
	}
}

// owes tells whether the command is to run, or may turn out to fail just now.
func (t *target) owes() bool { return t.busy || t.owed || t.Owes() }

// inherit takes over what another target owes whose template comes here. It only
// notes that: a rollout of this one may be under way.
func (t *target) inherit(before *target) {
	t.news = t.news || before.news
	if before.owes() {
		t.owed, t.retryAt = true, time.Now()
	}
}

// dueAt is when there is something to do for the target; zero when there is not.
func (t *target) dueAt() time.Time {
	switch {
	case t.busy:
		return time.Time{}
	case !t.gatherUntil.IsZero():
		return t.gatherUntil
	}
	return t.retryAt
}

// gathers tells whether a first rollout still waits for other templates.
func (t *target) gathers(all []*unit, now time.Time) bool {
	if t.begun || len(t.ready) == 0 || !slices.ContainsFunc(all, func(u *unit) bool { return u.target == t && u.expected() }) {
		return false
	}
	if t.gatherUntil.IsZero() {
		t.gatherUntil = now.Add(gatherFor)
	}
	return now.Before(t.gatherUntil)
}

// change takes what is ready for a rollout.
func (t *target) change() rollout.Change {
	c := rollout.Change{Target: t.Target, Command: t.command}
	t.flying = slices.Concat(t.ready, t.failed)
	for _, r := range t.flying {
		c.Files = append(c.Files, r.files...)
	}
	if t.owed {
		t.Owe()
	}
	t.begun, t.busy, t.owed, t.ready, t.failed = true, true, false, nil, nil
	t.retryAt, t.gatherUntil = time.Time{}, time.Time{}
	return c
}

// rollOut starts the rollout of the files at hand, and of what is owed and due again.
func (e *Engine) rollOut(ctx context.Context, now time.Time) {
	var changes []rollout.Change
	for _, t := range e.targets {
		retry := !t.retryAt.IsZero() && !t.retryAt.After(now)
		if t.busy || len(t.ready) == 0 && !retry || t.gathers(e.units, now) {
			continue
		}
		changes = append(changes, t.change())
	}
	if len(changes) == 0 {
		return
	}
	e.flying += len(changes)
	go rollout.Apply(ctx, changes, func(o rollout.Outcome) { e.results <- o })
}

// settle takes in what became of a rollout.
func (e *Engine) settle(out rollout.Outcome) {
	e.flying--
	t := e.targetOf(out.Target)
	for _, r := range t.flying {
		r.unit.done = true
		wanted := r.unit.target == t && slices.Contains(e.units, r.unit)
		if left := r.among(out.Unwritten); wanted && len(left.files) > 0 {
			t.failed = append(t.failed, left)
		}
	}
	t.busy, t.flying = false, nil
	t.news = t.news || out.Changed
	if len(out.Errs) > 0 {
		e.retry(t, out)
	} else {
		t.backoff.Reset()
		e.changed, t.news = e.changed || t.news, false
	}
	e.retire()
}

// targetOf finds the target of an outcome; one with a rollout under way is kept.
func (e *Engine) targetOf(r *rollout.Target) *target {
	i := slices.IndexFunc(e.targets, func(t *target) bool { return t.Target == r })
	return e.targets[i]
}

// retry says what failed and when it is tried again. With Once it is not.
func (e *Engine) retry(t *target, out rollout.Outcome) {
	wait := t.backoff.NextBackOff()
	log := e.opt.Log
	if e.opt.Once {
		e.failed = true
	} else {
		t.retryAt = time.Now().Add(wait)
		log = log.With("retry_in", wait.Round(100*time.Millisecond))
	}
	for _, err := range out.Errs {
		log.Error("rollout failed", "step", err.Step, "on", err.On, "error", err.Err)
	}
}

// land waits for the rollouts that are under way.
func (e *Engine) land() {
	for e.flying > 0 {
		e.settle(<-e.results)
	}
}
