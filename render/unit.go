package render

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"strings"
	"time"

	"github.com/ctmpl/ctmpl/render/guard"
	"github.com/ctmpl/ctmpl/render/rollout"
	"github.com/ctmpl/ctmpl/templates"
	"github.com/ctmpl/ctmpl/watch"
)

// unit is the state of one template. It belongs to the engine's goroutine.
type unit struct {
	spec   Spec
	tmpl   *Template // nil while there is none that parses
	err    error     // what is wrong with the template or its last execution
	target *target
	before *target // that of an earlier configuration, while its rollout is under way

	used     map[watch.Query]*Read // by the last execution, or before
	missing  map[watch.Query]uint64
	complete map[watch.Query]*Read // by the last complete execution
	partial  bool                  // there was another one since
	moved    bool                  // it reads others than the engine knows
	arrived  watch.Set             // those of the missing that have arrived
	wait     wait                  // for the missing ones
	why      why                   // it is due
	writes   []rollout.File        // to go with the output
	version  string                // of the output
	notes    []string              // on what it goes on with
	bad      [32]byte              // sum of its files that failed alone and are to blame for it
	facts    guard.Facts           // of the output, for the guards
	live     *guard.Facts          // of what was rolled out last; nil when that is not known
	history  guard.History         // of what was rolled out
	rendered bool                  // there has been output
	done     bool                  // has been rolled out, or shown, at least once
	dueAt    time.Time             // zero when nothing is due
	shown    []byte                // what was shown last, in place of a rollout
	outputs  outputs               // see spare
	latest   time.Time             // dueAt moves up to here while changes go on
}

// expected tells whether a template will have its first output once its answers
// have arrived.
func (u *unit) expected() bool {
	return !u.done && u.tmpl != nil && u.err == nil && u.waiting() > 0
}

// load reads and parses the template. With an error the last one that parsed stays.
func (u *unit) load() error {
	text, err := u.text()
	if err != nil {
		return unreadable(u.spec.Name(), err)
	}
	tmpl, err := Parse(u.spec.Name(), text, u.spec.Syntax)
	if err != nil {
		return err
	}
	u.tmpl = tmpl
	return nil
}

// text reads the template. A pipe can be read only once: it would be empty now, and so
// would the output.
func (u *unit) text() (string, error) {
	if templates.Named(u.spec.Source) {
		return u.spec.read()
	}
	if info, err := os.Stat(u.spec.Source); u.tmpl != nil && err == nil && !info.Mode().IsRegular() {
		return u.tmpl.text, nil
	}
	return u.spec.read()
}

// unreadable is the error for a template file that cannot be read.
func unreadable(name string, err error) *Error {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return &Error{File: name, Message: "cannot read the template: " + err.Error(), err: err}
}

// notice takes in that the answer to q has changed or arrived.
// removals tells that an instance has left.
func (u *unit) notice(q watch.Query, rev uint64, removals bool, now time.Time) {
	if old, ok := u.missing[q]; ok {
		if _, again := u.arrived[q]; rev > old && !again {
			u.arrived.Add(q)
			u.why.add(q)
			if u.waiting() == 0 {
				u.now(now)
			}
		}
		return
	}
	if old, ok := u.used[q]; ok && rev > old.Revision {
		old.Revision = rev
		u.why.add(q)
		if removals && u.spec.Urgent {
			u.now(now)
		} else {
			u.changed(now)
		}
	}
}

// waiting is how many answers are missing.
func (u *unit) waiting() int { return len(u.missing) - len(u.arrived) }

// now makes the template due at once.
func (u *unit) now(now time.Time) { u.dueAt, u.latest = now, now }

// changed makes the template due when things have calmed down.
func (u *unit) changed(now time.Time) {
	w := u.spec.Wait
	if !u.rendered || w.Min <= 0 {
		u.now(now)
		return
	}
	if u.dueAt.IsZero() {
		u.latest = now.Add(w.Max)
	}
	u.dueAt = now.Add(w.Min)
	if u.latest.Before(u.dueAt) {
		u.dueAt = u.latest
	}
}

func (u *unit) isDue(now time.Time) bool {
	return u.canRun() && !u.dueAt.IsZero() && !u.dueAt.After(now)
}

// canRun tells whether there is a template, and no older output of it is still on
// its way to the destination.
func (u *unit) canRun() bool {
	return u.tmpl != nil && !u.target.busy && (u.before == nil || !u.before.busy)
}

// execute runs the template. ok tells whether there is output; there is none while
// answers are missing.
func (u *unit) execute(ctx context.Context, store *watch.Store) (output []byte, ok bool, err error) {
	u.dueAt = time.Time{}
	u.tmpl.spare = u.spare()
	result, err := u.tmpl.Execute(ctx, store)
	if errors.Is(err, errStopped) {
		return nil, false, nil // ctmpl stops: that is no failure of the template
	}
	u.missing, u.arrived = result.Missing, watch.Set{}
	if err != nil || u.waiting() > 0 {
		u.used, u.partial, u.moved = u.withComplete(result.Used), true, true
		return nil, false, err
	}
	u.moved = u.moved || u.partial || result.Moved
	u.used, u.complete, u.partial = result.Used, result.Used, false
	u.writes, u.version, u.facts, u.notes = result.Writes, result.Version, result.Facts, result.Notes
	u.made(result.Output)
	return result.Output, true, nil
}

// withComplete adds to what was read by an execution that may have stopped early what
// the last complete one has read: that is still wanted, and a change of it may be the
// way out.
func (u *unit) withComplete(read map[watch.Query]*Read) map[watch.Query]*Read {
	all := maps.Clone(read)
	for q := range u.complete {
		if _, again := read[q]; !again {
			all[q] = u.used[q]
		}
	}
	return all
}

// why is what made a template due, for the log: the first few queries whose
// answers changed, and how many there were.
type why struct {
	text  string
	count int
}

func (w *why) add(q watch.Query) {
	if strings.Contains(w.text, q.String()) {
		return // it changed again
	}
	w.count++
	switch {
	case w.count == 1:
		w.text = q.String()
	case w.count <= 3:
		w.text += ", " + q.String()
	}
}

// take gives the text and begins anew.
func (w *why) take() string {
	text := w.text
	if w.count > 3 {
		text = fmt.Sprintf("%s and %d more", text, w.count-3)
	}
	*w = why{}
	return text
}
