package render

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"text/template"
	"time"

	"github.com/ctmpl/ctmpl/funcs"
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
	name   string
	text   string
	parsed *template.Template
	bound  *funcs.Execution // what the functions look at
	marks  marks
	format string
	limit  int64 // of the output, in bytes
	time   time.Duration
}

// Result is what one execution gave.
type Result struct {
	Output []byte // nil while something is missing
	// Used are the queries whose answers were read, each with its revision.
	Used map[watch.Query]uint64
	// Missing are the queries without a usable answer, each with the revision of
	// the one that was refused, or 0.
	Missing map[watch.Query]uint64
	// Writes are further files that the template wants written, without Why.
	Writes []rollout.File
	// Answers are the answers that were read; nil while something is missing.
	Answers map[watch.Query]any
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
		name: name, text: text, bound: &funcs.Execution{}, format: syntax.Format,
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
	if t.format == FormatNginx {
		t.checkPrinted(parsed, all)
	}
	t.parsed, t.marks = parsed, mark(parsed)
	return t, nil
}

// errStopped is the error of an execution that ctx has ended.
var errStopped = errors.New("the execution was stopped")

// errLate is why an execution ends that takes too long.
var errLate = errors.New("the execution takes too long")

// Execute runs the template on the answers in store. While answers are missing
// there is no output and no error, since it may be due to just that. The error is
// an *Error, or errStopped when ctx has ended, which also ends a loop without end.
func (t *Template) Execute(ctx context.Context, store *watch.Store) (Result, error) {
	x := t.begin(ctx, newReads(store))
	defer t.end()
	timed, cancel := context.WithTimeoutCause(ctx, t.time, errLate)
	defer cancel()
	x.ctx = timed
	output, err := x.run(t.parsed, nil)
	result := Result{Used: x.reads.used, Missing: x.reads.missing}
	switch {
	case err != nil && ctx.Err() != nil:
		return Result{}, errStopped
	case len(result.Missing) > 0:
		return result, nil
	case err != nil:
		located := t.explain(err, Syntax{})
		located.redact(x.reads.answers)
		located.trace(err, x.reads.answers)
		return result, located
	}
	result.Output, result.Writes, result.Answers = output, x.writes, x.reads.answers
	if t.bound.Versioned {
		result.setVersion()
	}
	return result, nil
}

// reads is the funcs.Reader of one execution.
type reads struct {
	store   *watch.Store
	used    map[watch.Query]uint64
	missing map[watch.Query]uint64
	answers map[watch.Query]any // that were read last
}

func newReads(store *watch.Store) *reads {
	return &reads{store: store, used: map[watch.Query]uint64{}, missing: map[watch.Query]uint64{}, answers: map[watch.Query]any{}}
}

// Read implements funcs.Reader.
func (r *reads) Read(q watch.Query) (any, bool) {
	v, rev, ok := r.store.Get(q)
	if !ok {
		r.missing[q] = 0
		return nil, false
	}
	if first, seen := r.used[q]; !seen || rev < first {
		// An answer can change while the template runs. The older revision stands, so
		// that the newer one is a change.
		r.used[q] = rev
	}
	r.answers[q] = v
	return v, true
}

// Refuse implements funcs.Reader.
func (r *reads) Refuse(q watch.Query) { r.missing[q] = r.used[q] }

// waiting tells whether something is missing. Once it is, that stays so.
func (r *reads) waiting() bool { return len(r.missing) > 0 }
