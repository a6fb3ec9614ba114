package render

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"text/template"
	"time"

	"github.com/ctmpl/ctmpl/funcs"
	"github.com/ctmpl/ctmpl/render/guard"
	"github.com/ctmpl/ctmpl/render/rollout"
	"github.com/ctmpl/ctmpl/watch"
)

// Syntax is how the text of a template is read.
type Syntax struct {
	Left, Right string // delimiters, {{ and }} when empty
	// FailOnMissingKey makes an error of a map entry that is not there; without it
	// that is the zero value.
	FailOnMissingKey bool
	// MaxOutput bounds the output in bytes; 0 is DefaultMaxOutput.
	MaxOutput int64
	// MaxTime bounds how long an execution may take; 0 is DefaultMaxTime.
	MaxTime time.Duration
	// Format is what the output is: FormatNginx, or "" for anything.
	Format string
	Funcs  funcs.Options
}

// What bounds a template when nothing else is said. The time is there for loops
// without end: nothing else is executed meanwhile.
const (
	DefaultMaxOutput = 256 << 20
	DefaultMaxTime   = 5 * time.Minute
)

// Template is a parsed template. It is not safe for use by several goroutines.
type Template struct {
	name    string
	text    string
	parsed  *template.Template
	bound   *funcs.Execution // what the functions look at
	marks   marks
	shipped []text // those that it calls
	format  string
	limit   int64 // of the output, in bytes
	time    time.Duration
	vars    map[string]string

	memo  *memo  // nil where there is nothing to keep
	reads *reads // what the last execution has read
	size  int    // of the last output
	spare []byte // is written over by the next one
}

// Result is what one execution gave.
type Result struct {
	Output []byte // nil while something is missing
	// Used are the queries whose answers were read. They may be the very same map as
	// the last time.
	Used map[watch.Query]*Read
	// Moved says that these are others than those of the last execution.
	Moved bool
	// Missing are the queries without a usable answer, each with the revision of
	// the one that was refused, or 0.
	Missing map[watch.Query]uint64
	// Writes are further files that the template wants written, without Why.
	Writes []rollout.File
	// Facts are about the answers that were read; none while something is missing.
	Facts guard.Facts
	// Notes are what is wrong with answers that the template goes on with, one line each.
	Notes []string
	// Version is what configVersion stands for, "" where the template does not use it.
	Version string
}

// Parse parses the text of a template. name is its file, for errors. The error is
// an *Error.
func Parse(name, text string, syntax Syntax) (*Template, error) {
	if syntax.Format != "" && syntax.Format != FormatNginx {
		return nil, &Error{File: name, Message: fmt.Sprintf("format: want %q or nothing, got %.80q", FormatNginx, syntax.Format)}
	}
	t := &Template{
		name: name, text: text, bound: &funcs.Execution{}, format: syntax.Format, vars: syntax.Funcs.Vars,
		limit: cmp.Or(syntax.MaxOutput, DefaultMaxOutput), time: cmp.Or(syntax.MaxTime, DefaultMaxTime),
	}
	option := "missingkey=zero"
	if syntax.FailOnMissingKey {
		option = "missingkey=error"
	}
	all := funcs.Map(t.bound, syntax.Funcs)
	parsed, err := template.New(name).Delims(syntax.Left, syntax.Right).Option(option).Funcs(all).Parse(text)
	if err != nil {
		return nil, t.explain(err, syntax)
	}
	if err := t.addShipped(parsed); err != nil {
		return nil, err
	}
	if t.format == FormatNginx {
		t.checkPrinted(parsed, all)
	}
	t.memo = newMemo(parsed)
	t.parsed, t.marks = parsed, marks{}
	t.marks.of(parsed)
	if t.memo != nil {
		t.marks.of(t.memo.parsed)
	}
	return t, nil
}

// errStopped is the error of an execution that ctx has ended.
var errStopped = errors.New("the execution was stopped")

// errLate is why an execution ends that takes too long.
var errLate = errors.New("the execution takes too long")

// Execute runs the template on the answers in store. While answers are missing
// there is no output and no error, since it may be due to just that. The error is
// an *Error, or errStopped when ctx has ended, which also ends a loop without end.
//
// What loops gave the last time is taken over where nothing has changed for it, which
// makes no difference to the result.
func (t *Template) Execute(ctx context.Context, store *watch.Store) (Result, error) {
	if t.reads == nil || t.reads.store != store {
		t.forget(store)
	}
	x, output, err := t.attempt(ctx, t.reads, t.memo)
	switch {
	case err == nil && t.memo != nil:
		t.memo.sweep(x.reads.run)
	case err != nil:
		t.forget(store)
		if t.memo != nil && !x.over && !x.reads.waiting() {
			x, output, err = t.attempt(ctx, newReads(store), nil) // it may be another place
		}
	}
	return x.result(ctx, output, err)
}

// forget forgets all executions.
func (t *Template) forget(store *watch.Store) {
	t.reads = newReads(store)
	if t.memo != nil {
		t.memo.forget()
	}
}

// attempt executes the template once: with a memo, or plainly without one.
func (t *Template) attempt(ctx context.Context, r *reads, m *memo) (x *execution, output []byte, err error) {
	x = t.begin(ctx, r)
	defer t.end()
	timed, cancel := context.WithTimeoutCause(ctx, t.time, errLate)
	defer cancel()
	x.ctx = timed
	if m != nil {
		x.parsed, m.x = m.parsed, x
		defer func() { m.x = nil }()
	}
	output, err = x.run(x.parsed, nil)
	x.over, x.stamped = timed.Err() != nil, t.bound.Versioned
	return x, output, err
}
