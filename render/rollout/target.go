package rollout

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"golang.org/x/time/rate"
)

// The steps of a rollout.
const (
	StepWrite  = "write" // the files, beside their destinations and then in their places
	StepCheck  = "check"
	StepReload = "reload"
	StepVerify = "verify"
	StepUndo   = "undo"
)

// Error is a rollout that failed: at which step, on what, and why.
type Error struct {
	Step string
	On   string // the file or the command
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("%s %s: %s", e.Step, e.On, e.Err) }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Plan is how files are checked, and how they take effect.
type Plan struct {
	Checks   []Check   // of staged files
	Driver   Driver    // checks and reloads, beside the commands; nil when there is none
	Commands []Command // that reload
	Verifies []Command // that look whether all is well then
	// Undo puts everything back as it was when a step fails. Without it the files stay,
	// and the commands are tried again.
	Undo bool
	// Canonical gives what counts of a file's content: as long as that is the same, no
	// reload is needed. Without it all counts.
	Canonical func([]byte) []byte
}

// none tells whether there is nothing to do for files to take effect.
func (p Plan) none() bool { return p.Driver == nil && len(p.Commands) == 0 && len(p.Verifies) == 0 }

// Target is what takes effect as one: the files of all templates that share a
// command, or that belong to one group. It is not safe for use by several goroutines.
type Target struct {
	Log *slog.Logger
	// Record is what is kept of the target; nil when nothing is.
	Record *Record
	// At is called at each point where a rollout may be cut short; nil does nothing.
	At func(point string)

	owed   bool            // files have changed since the reload last succeeded
	left   []*undo         // what could not be put back
	placed map[string]File // what has been put in place since a good output was kept
	blind  bool            // the process before may have put files in place that it has not kept

	unkept bool      // what is in place is good, and is to be kept
	keepAt time.Time // then
	latest Change    // that was
	keeps  *rate.Limiter
}

// Owes tells whether there is something to do though no file may change any more.
func (t *Target) Owes() bool { return t.owed || len(t.left) > 0 }

// Owe has the reload take place with the next Change, whether or not a file changes
// then.
func (t *Target) Owe() { t.owed = true }

// place notes that a file is in its place.
func (t *Target) place(f File) {
	if t.Record == nil || f.Append { // what others have appended is not ours to keep
		return
	}
	if t.placed == nil {
		t.placed = map[string]File{}
	}
	path, err := f.Resolve()
	if err != nil {
		path = f.Path
	}
	t.placed[path] = f
}

// Holds tells whether the memory of a content is in use still, as what is in place is to be kept. No
// rollout may be under way.
func (t *Target) Holds(content []byte) bool {
	for _, f := range t.placed {
		if f.SharesMemory(content) {
			return true
		}
	}
	return false
}

func (t *Target) placedCopy() map[string]File { return maps.Clone(t.placed) }

func (t *Target) at(point string) {
	if t.At != nil {
		t.At(point)
	}
}

// Change is what is to be rolled out to one target. Without files, what is owed is
// tried again.
type Change struct {
	Target *Target
	Plan   Plan
	Files  []File
	// Version is what the driver is to see after the reload; it may be empty.
	Version string
	// Templates are all that the target has, and Note what is to be kept with its
	// files, for Record.
	Templates []string
	Note      json.RawMessage
	// Durable has the files, and what is kept of them, last through a power failure. Without it a
	// file may be the one before then, as a whole. With Plan.Undo they last in any case.
	Durable bool
	// Pin keeps the target as it is, from the moment that the files are good.
	Pin *Pin
}

// Outcome is what became of a Change.
type Outcome struct {
	Target    *Target
	Changed   bool   // files have
	Idle      bool   // what has changed means the same
	Unwritten []File // those that could not be written, without Undo
	Reloaded  bool   // a reload was tried
	Undone    bool   // all is as it was before
	Bad       bool   // the files are to blame: there is no use in trying the same again
	// Waiting says that all is in place, and who is to take it over once it is there.
	Waiting string
	Errs    []*Error
}

func (o *Outcome) fail(step, on string, err error) {
	o.Errs = append(o.Errs, &Error{Step: step, On: on, Err: err})
}

// Apply rolls out several changes: first it puts all files in place, then it reloads
// what is owed, in this order, and tells done of each change as soon as it is through
// with it. An error of one stops none of the others. What has begun is brought to its
// end, or undone, when ctx ends.
func Apply(ctx context.Context, changes []Change, done func(Outcome)) {
	ctx = context.WithoutCancel(ctx) // half a rollout is not to be left behind
	var begun []*attempt
	for _, c := range changes {
		a := &attempt{Change: c, t: c.Target, out: Outcome{Target: c.Target}}
		if a.prepare(ctx); c.Plan.none() || len(a.out.Errs) > 0 && c.Plan.Undo {
			a.finish(ctx)
			done(a.out)
			continue
		}
		begun = append(begun, a)
	}
	for _, a := range begun {
		a.finish(ctx)
		done(a.out)
	}
}
