package rollout

import (
	"context"
	"errors"
)

// Staged is a file of a rollout before it is live.
type Staged struct {
	Path   string // where it is to live, absolute, symbolic links resolved
	Staged string // where it is now, beside that
}

// Driver checks and reloads a program that ctmpl knows, where commands would only
// give an exit code.
type Driver interface {
	// Check checks the staged files as they would be live, without touching what is
	// live. The error is a *BadError when the files are to blame; anything else is
	// tried again. ErrCheckLive says that this cannot be done here: then the files are
	// put in place, checked by CheckLive, and taken back if that fails.
	Check(ctx context.Context, staged []Staged) error
	// CheckLive checks what is live, with errors as of Check.
	CheckLive(ctx context.Context) error
	// Reload makes the program take over what is live, and returns nil when it has
	// seen that this has happened. It expects to see version, unless that is empty.
	// ErrNotRunning says that there is nobody to take it over.
	Reload(ctx context.Context, version string) error
	// Busy says why a reload should wait, such as too many workers that are still
	// draining; it is empty when it need not.
	Busy() string
	// String names the program in messages.
	String() string
}

var (
	// ErrCheckLive says that files can be checked only where they are live.
	ErrCheckLive = errors.New("can be checked only in place")
	// ErrKept says that a reload has failed and that the program goes on with what it
	// had, so that it need not be reloaded again when the files are put back.
	ErrKept = errors.New("goes on with what it had")
	// ErrNotRunning says that there is nothing to reload.
	ErrNotRunning = errors.New("is not running")
)

// BadError says that the files are to blame: as long as they are the same, there
// is no use in trying again.
type BadError struct{ Err error }

func (e *BadError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *BadError) Unwrap() error { return e.Err }
