package rollout

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"
)

// The steps of a rollout.
const (
	StepWrite  = "write"
	StepReload = "reload"
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

// Target is what takes effect as one: the files of all templates that share a
// command. It is not safe for use by several goroutines.
type Target struct {
	Log  *slog.Logger
	owed bool // files have changed since the command last succeeded
}

// Owes tells whether the command is to run though no file may change any more.
func (t *Target) Owes() bool { return t.owed }

// Owe has the command run with the next Change, whether or not a file changes then.
func (t *Target) Owe() { t.owed = true }

// Change is what is to be rolled out to one target. Without files, a command that is
// owed is tried again.
type Change struct {
	Target  *Target
	Command Command
	Files   []File
}

// Outcome is what became of a Change.
type Outcome struct {
	Target    *Target
	Changed   bool   // files have
	Unwritten []File // those that could not be written
	Errs      []*Error
}

// Apply rolls out several changes: first it writes all files, then it runs the
// commands that are owed, in this order, and tells done of each change as soon as it
// is through with it. An error of one stops none of the others. What has begun is
// brought to its end when ctx ends.
func Apply(ctx context.Context, changes []Change, done func(Outcome)) {
	ctx = context.WithoutCancel(ctx) // a file without its command would be half a rollout
	outcomes := make([]Outcome, len(changes))
	for i, c := range changes {
		outcomes[i].Target = c.Target
		c.Target.write(c.Files, &outcomes[i])
		if c.Command.None() {
			c.Target.owed = false
			done(outcomes[i])
		}
	}
	for i, c := range changes {
		if c.Command.None() {
			continue
		}
		c.Target.reload(ctx, c.Command, &outcomes[i])
		done(outcomes[i])
	}
}

// write puts the files in place.
func (t *Target) write(files []File, out *Outcome) {
	for _, f := range files {
		changed, err := f.Put(t.Log)
		if changed {
			t.owed, out.Changed = true, true
			t.Log.Info("wrote", "file", f.Path, "bytes", len(f.Content), "why", cmp.Or(f.Why, "the destination differed"))
		}
		if err != nil {
			out.Unwritten = append(out.Unwritten, f)
			out.Errs = append(out.Errs, &Error{Step: StepWrite, On: f.Path, Err: err})
		}
	}
}

// reload runs the command if it is owed, but not on half of the files.
func (t *Target) reload(ctx context.Context, command Command, out *Outcome) {
	if !t.owed || len(out.Unwritten) > 0 {
		return
	}
	start := time.Now()
	if err := command.Run(ctx); err != nil {
		out.Errs = append(out.Errs, &Error{Step: StepReload, On: fmt.Sprintf("%q", command), Err: err})
		return
	}
	t.owed = false
	t.Log.Info("ran", "command", command, "took", time.Since(start).Round(time.Millisecond))
}
