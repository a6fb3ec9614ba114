package render

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/ctmpl/ctmpl/render/rollout"
)

// What failed in a rollout is tried again after retryFirst, and then after waits
// that double up to retryMax.
const (
	retryFirst = time.Second
	retryMax   = time.Minute
)

// lookAgain is how often somebody is looked for who is to take files over.
const lookAgain = time.Second

// gatherFor is how long the first rollout waits for templates that share a command
// and are not complete yet: they mostly are within milliseconds of each other, and
// each command more is a reload more.
const gatherFor = time.Second

// rollOut starts the rollout of the files at hand, and of what is owed and due again.
// Targets that are checked and verified are rolled out side by side, since that may
// take its time; of the others all files are written first.
func (e *Engine) rollOut(ctx context.Context, now time.Time) {
	var plain []rollout.Change
	for _, t := range e.targets {
		_ = e.open(t) // it may have had to wait; to refuse something now is too late
		files, owed := e.mayRollOut(t, now)
		if !files && !owed {
			continue
		}
		c := t.change(e.units, files)
		c.Note, c.Durable = e.note(t), c.Durable || e.opt.Once // nobody renders it anew
		if t.plan.Undo {
			e.apply(ctx, c)
		} else {
			plain = append(plain, c)
		}
	}
	if len(plain) > 0 {
		e.apply(ctx, plain...)
	}
}

func (e *Engine) apply(ctx context.Context, changes ...rollout.Change) {
	e.flying += len(changes)
	go rollout.Apply(ctx, changes, func(o rollout.Outcome) { e.results <- o })
}

// mayRollOut tells whether there are files to roll out and nothing speaks against them,
// and whether something is owed and due, which does not wait for files that are held. If
// neither, the target's next is when there may be.
func (e *Engine) mayRollOut(t *target, now time.Time) (files, owed bool) {
	retry := !t.retryAt.IsZero() && !t.retryAt.After(now)
	owed = retry && (t.owed || t.Owes())
	if t.next = t.retryAt; retry && !owed {
		t.next = time.Time{}
	}
	if !t.busy {
		e.leaveOut(t)
		e.keep(t, now)
	}
	switch {
	case t.busy:
		return false, false
	case len(t.ready) == 0 && !(retry && t.retries()):
		t.limit.why = ""
		t.hold.end() // there is nothing to hold
	case t.gathers(e.units, now):
		t.next = earlier(t.next, t.gatherUntil)
	case len(t.ready) > 0 && t.again():
		e.passOver(t)
	case e.held(t, now):
		t.next = earlier(t.next, t.hold.until)
	default:
		files = true
	}
	if !files && !owed {
		return false, false
	}
	if at := e.turn(t, now); !at.IsZero() {
		t.next = at
		return false, false
	}
	return files, owed
}

// keep keeps the good output of a target of which that was put off, when it is due.
func (e *Engine) keep(t *target, now time.Time) {
	switch due := t.KeepDue(); {
	case due.IsZero():
	case due.After(now):
		t.next = earlier(t.next, due)
	default:
		t.Keep()
	}
}

// earlier gives the earlier of two times, of which zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// passOver leaves out what has failed just so before.
func (e *Engine) passOver(t *target) {
	e.opt.Log.Info("the output is the same that failed: it is not tried again", "target", t.label)
	t.deal()
	t.failed, t.ready = slices.Concat(t.ready, t.failed), nil
}

// leaveOut leaves out the files that have failed just so before, alone.
func (e *Engine) leaveOut(t *target) {
	for _, r := range slices.Clone(t.ready) {
		if !r.isBad() {
			continue
		}
		e.opt.Log.Info("the output is the same that failed: it is not tried again", "target", t.label, "template", r.unit.spec.Name())
		t.drop(r.unit)
		t.failed = append(t.failed, r)
		r.unit.done = true
	}
}

// settle takes in what became of a rollout.
func (e *Engine) settle(out rollout.Outcome) {
	e.flying--
	t := e.targetOf(out.Target)
	t.busy = false
	t.limit.spend(out.Reloaded, time.Now())
	if t.restoring != nil {
		e.restored(t, out)
	} else {
		e.sort(t, out)
	}
	t.flying = nil
	t.news = t.news || out.Changed && !out.Idle && t.plan.Driver == nil // which has told its program
	switch {
	case len(out.Errs) > 0:
		e.retry(t, out)
	case out.Waiting != "":
		e.await(t, out.Waiting)
	default:
		e.succeed(t)
	}
	if t.replanned { // its destinations may be others from now on
		t.Keep()
	}
	if t.replanned = false; !e.opt.Once && t.retryAt.IsZero() && t.retries() { // of an earlier rollout
		t.retryAt = time.Now().Add(t.backoff.NextBackOff())
	}
	if out.Undone {
		t.version = ""
	}
	e.retire()
}

// sort parts the templates of a rollout into those that are done and those that are
// to be rolled out again.
func (e *Engine) sort(t *target, out rollout.Outcome) {
	if t.flying == nil {
		return
	}
	again := len(out.Errs) > 0 && t.plan.Undo
	t.bad = [32]byte{}
	if again && out.Bad && !t.replanned && e.condemn(t) {
		return
	}
	now := time.Now()
	for _, r := range t.flying {
		r.unit.done = true
		wanted := r.unit.target == t && slices.Contains(e.units, r.unit)
		left := r.among(out.Unwritten)
		if again {
			left = r
		}
		if len(left.files) == 0 {
			e.remember(t, r.unit, now)
			r.unit.bad = [32]byte{}
			continue
		}
		if left.err = failure(out); wanted && !t.supersedes(left) {
			t.failed = append(t.failed, left)
		}
	}
	if len(out.Errs) == 0 && t.flying[0].alone {
		t.acquit()
	}
	// What was held has been dealt with, in whatever way.
	if t.hold.end(); len(t.failed) == 0 && !t.tries() {
		t.hold.approved = false
	}
	t.hold.judged = t.tries() // what is tried one by one was judged together
}

// tries tells whether templates are being tried one by one.
func (t *target) tries() bool {
	return slices.ContainsFunc(t.ready, func(r ready) bool { return r.alone })
}

// acquit has those tried again that were condemned while others were not live yet which
// they may need.
func (t *target) acquit() {
	for _, r := range slices.Clone(t.failed) {
		if r.alone && r.isBad() {
			t.failed = slices.DeleteFunc(t.failed, func(f ready) bool { return f.unit == r.unit })
			r.unit.bad = [32]byte{}
			t.ready = append(t.ready, r)
		}
	}
}

// condemn notes that the files of a rollout are to blame for its failure. Those of several
// templates that are not joint are tried again one by one, so that the bad ones do not keep
// the others from going live; it tells whether that is so.
func (e *Engine) condemn(t *target) (oneByOne bool) {
	switch {
	case t.joint():
		t.bad = sum(t.flying)
		return false
	case len(t.flying) == 1:
		r := t.flying[0]
		r.unit.bad = sum(t.flying)
		return false
	}
	e.opt.Log.Info("trying the templates one by one: only those that are to blame are held back", "target", t.label)
	for i := len(t.flying) - 1; i >= 0; i-- {
		r := t.flying[i]
		if r.alone = true; r.unit.target == t && slices.Contains(e.units, r.unit) && !t.supersedes(r) {
			t.ready = slices.Insert(t.ready, 0, r)
		}
	}
	t.hold.end()
	t.hold.judged = true
	return true
}

// failure is what failed in a rollout.
func failure(out rollout.Outcome) string {
	var texts []string
	for _, err := range out.Errs {
		texts = append(texts, err.Error())
	}
	return strings.Join(texts, "; ")
}

// supersedes tells whether a template has newer files than these.
func (t *target) supersedes(r ready) bool {
	return slices.ContainsFunc(t.ready, func(o ready) bool { return o.unit == r.unit })
}

// succeed takes in that all is live.
func (e *Engine) succeed(t *target) {
	t.backoff.Reset()
	t.errs, t.away = nil, ""
	e.changed, t.news = e.changed || t.news, false
}

// await has the reload tried until there is somebody to take the files over.
func (e *Engine) await(t *target, who string) {
	t.backoff.Reset()
	t.errs = nil
	if t.away == "" {
		e.opt.Log.Warn("the files are in place, and are taken over when there is somebody to do it", "target", t.label, "reason", who)
	}
	t.away = who
	if !e.opt.Once {
		t.retryAt = time.Now().Add(lookAgain)
	}
}

// targetOf finds the target of an outcome; one with a rollout under way is kept.
func (e *Engine) targetOf(r *rollout.Target) *target {
	i := slices.IndexFunc(e.targets, func(t *target) bool { return t.Target == r })
	return e.targets[i]
}

// retry says what failed and when it is tried again. With Once it is not, nor is it
// where the files are to blame.
func (e *Engine) retry(t *target, out rollout.Outcome) {
	log := e.opt.Log
	switch {
	case t.tries() && out.Bad:
		log = log.With("retry", "one by one")
	case e.opt.Once:
		e.failed = true
	case out.Bad && !t.Owes() && !t.replanned:
		log = log.With("retry", "when the output changes")
	default:
		wait := t.backoff.NextBackOff()
		t.retryAt = time.Now().Add(wait)
		log = log.With("retry_in", wait.Round(100*time.Millisecond))
	}
	if out.Undone {
		log = log.With("now", "all is as it was before")
	}
	t.errs = nil
	for _, err := range out.Errs {
		t.errs = append(t.errs, err.Error())
		log.Error("rollout failed", "step", err.Step, "on", err.On, "error", err.Err)
	}
}

// land waits for the rollouts that are under way.
func (e *Engine) land() {
	for e.flying > 0 {
		e.settle(<-e.results)
	}
	for _, t := range e.targets {
		t.close()
	}
}
