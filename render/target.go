package render

import (
	"crypto/sha256"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/ctmpl/ctmpl/render/rollout"
)

// target is a rollout target with what the engine knows of it.
type target struct {
	*rollout.Target
	label       string // its name in messages, and for those who ask for something
	stateless   string // the label under which no record could be opened
	key         string // of the group, the driver, the command, or of the destination without any
	spec        TargetSpec
	plan        rollout.Plan
	ready       []ready  // to be rolled out
	flying      []ready  // being rolled out
	failed      []ready  // could not be rolled out
	version     string   // that the driver is to see
	bad         [32]byte // sum of the files that failed and are to blame for it
	begun       bool     // there was a rollout
	busy        bool     // a rollout is under way
	replanned   bool     // the configuration was read again meanwhile
	owed        bool     // the reload is to take place: a template has brought that from another target
	news        bool     // files have changed, and the reload has not succeeded since
	retryAt     time.Time
	next        time.Time // when mayRollOut may have another answer by itself
	backoff     *backoff.ExponentialBackOff
	gatherUntil time.Time // see gathers
	hold        hold
	pinMoved    bool // to the target that its templates have come to
	limit       limit
	errs        []string // of the last rollout
	away        string   // who is to take the files over is not there
	restoring   *restoring
	told        rollout.Status // last
	noted       noted          // last
}

// ready are the rendered files of a template, its destination last.
type ready struct {
	unit    *unit
	files   []rollout.File
	version string
	alone   bool   // it is tried alone: together with others it was bad
	err     string // why it has failed
}

// among gives those of the files that are in a list.
func (r ready) among(list []rollout.File) ready {
	r.files = slices.DeleteFunc(slices.Clone(r.files), func(f rollout.File) bool {
		return !slices.ContainsFunc(list, func(l rollout.File) bool { return l.Path == f.Path })
	})
	return r
}

func (e *Engine) newTarget(key string) *target {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval, b.Multiplier = retryFirst, retryMax, 2
	b.Reset()
	return &target{Target: &rollout.Target{Log: e.opt.Log, At: e.opt.At}, key: key, backoff: b}
}

// take notes files to roll out, in place of older ones of the same template.
func (t *target) take(r ready) {
	t.drop(r.unit)
	t.ready = append(t.ready, r)
	t.hold.judged, t.hold.approved = false, false // that was about another output
}

// drop forgets the files of a template, also those that could not be written: nobody
// wants them any more, so they must not hold up the reload.
func (t *target) drop(u *unit) {
	of := func(r ready) bool { return r.unit == u }
	t.ready, t.failed = slices.DeleteFunc(t.ready, of), slices.DeleteFunc(t.failed, of)
	if len(t.ready) == 0 {
		t.gatherUntil = time.Time{}
		t.hold.judged = false
	}
}

// owes tells whether the reload is to take place, or may turn out to fail just now.
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
	if t.busy {
		return time.Time{}
	}
	return t.next
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

// joint tells whether all files are good or bad together. Those of templates that merely
// share what reloads are told apart.
func (t *target) joint() bool { return t.spec.Group != "" }

// again tells whether what is to be rolled out is just what has failed and is to blame
// for that.
func (t *target) again() bool {
	return t.bad != [32]byte{} && t.bad == sum(slices.Concat(t.ready, t.failed))
}

// pick gives what is to be rolled out next: one that is to be tried alone, or all but
// those that are known to be bad.
func (t *target) pick() []ready {
	if i := slices.IndexFunc(t.ready, func(r ready) bool { return r.alone }); i >= 0 {
		return t.ready[i : i+1]
	}
	return slices.Concat(t.ready, slices.DeleteFunc(slices.Clone(t.failed), func(r ready) bool { return r.isBad() }))
}

// isBad tells whether just these files have failed alone.
func (r ready) isBad() bool {
	return r.unit.bad != [32]byte{} && r.unit.bad == sum([]ready{r})
}

// retries tells whether something that failed is worth to be tried again.
func (t *target) retries() bool {
	return t.bad == [32]byte{} && slices.ContainsFunc(t.failed, func(r ready) bool { return !r.isBad() })
}

// sum is equal for equal files.
func sum(list []ready) (out [32]byte) {
	for _, r := range list {
		for _, f := range r.files {
			h := sha256.New()
			_, _ = h.Write([]byte(f.Path + "\x00"))
			_, _ = h.Write(f.Content)
			for i, b := range h.Sum(nil) { // in any order of the files
				out[i] ^= b
			}
		}
	}
	return out
}

// change takes what is ready for a rollout, or, without files, just what is owed.
func (t *target) change(all []*unit, files bool) rollout.Change {
	c := rollout.Change{Target: t.Target, Plan: t.plan, Version: t.version, Durable: t.spec.OnDrift != DriftOverwrite}
	t.flying = nil
	if files {
		t.flying = slices.Clone(t.pick())
		taken := func(r ready) bool {
			return slices.ContainsFunc(t.flying, func(f ready) bool { return f.unit == r.unit })
		}
		t.ready, t.failed = slices.DeleteFunc(t.ready, taken), slices.DeleteFunc(t.failed, taken)
		t.gatherUntil = time.Time{}
	}
	for i, r := range t.flying {
		c.Files = append(c.Files, r.files...)
		if i == 0 || r.version != "" {
			c.Version = r.version
		}
	}
	for _, u := range all {
		if u.target == t {
			c.Templates = append(c.Templates, u.spec.File.Path)
		}
	}
	if t.owed {
		t.Owe()
	}
	t.begun, t.busy, t.owed = true, true, false
	t.version, t.retryAt = c.Version, time.Time{}
	return c
}
