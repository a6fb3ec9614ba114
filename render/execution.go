package render

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"text/template"

	"github.com/ctmpl/ctmpl/funcs"
	"github.com/ctmpl/ctmpl/render/rollout"
)

// execution is one execution of a template, with all that it executes in turn.
type execution struct {
	t       *Template
	parsed  *template.Template
	ctx     context.Context
	reads   *reads
	out     *bounded // of the template that is executed
	depth   int      // of templates within templates
	deepest int      // that it has been
	at      spot     // of the template or loop that was entered last
	writes  []rollout.File
	held    int64 // bytes of content in writes
	notes   []string
	noted   map[string]bool
	over    bool // the time was over, or it was to stop
	stamped bool // configVersion was used
}

// begin sets up an execution; end lets go of what it holds.
func (t *Template) begin(ctx context.Context, r *reads) *execution {
	x := &execution{t: t, ctx: ctx, reads: r, parsed: t.parsed}
	r.begin()
	*t.bound = funcs.Execution{Reader: r, Context: ctx, Execute: x.executeTemplate, Write: x.write, Waiting: r.waiting, Note: x.note}
	return x
}

func (t *Template) end() { *t.bound = funcs.Execution{} }

// run executes one template. The output is not nil.
func (x *execution) run(tmpl *template.Template, dot any) ([]byte, error) {
	before := x.out
	defer func() { x.out = before }()
	x.out = &bounded{x: x, output: []byte{}}
	if before == nil {
		x.out.output = x.t.room()
	}
	err := tmpl.Execute(x.out, dot)
	return x.out.output, err
}

// room gives room for an output, which is mostly about as long as the last one: the spare, if there is one.
func (t *Template) room() []byte {
	spare := t.spare
	t.spare = nil
	if spare != nil && cap(spare) >= t.size {
		return spare[:0]
	}
	return make([]byte, 0, t.size+t.size/32)
}

// result is what an execution has given.
func (x *execution) result(ctx context.Context, output []byte, err error) (Result, error) {
	if err != nil && ctx.Err() != nil {
		return Result{}, errStopped
	}
	result := Result{Missing: x.reads.missing}
	result.Used, result.Moved = x.reads.end()
	switch {
	case x.reads.waiting():
		return result, nil
	case err != nil:
		located := x.t.explain(err, Syntax{})
		located.redact(x.reads.answers())
		located.trace(err, x.reads.answers())
		return result, located
	}
	x.t.size = len(output)
	result.Output, result.Writes, result.Facts, result.Notes = output, x.writes, x.reads.count(), x.notes
	if x.stamped {
		result.setVersion()
	}
	return result, nil
}

// nested is the innermost error of templates that are executed by functions. Each of
// them would put its own place before the text of the one below, which for a
// recursion is a text without end.
type nested struct{ error }

func (e *nested) Unwrap() error { return e.error }

// executeTemplate implements the function of this name.
func (x *execution) executeTemplate(name string, dot any) (string, error) {
	tmpl := x.parsed.Lookup(name)
	if tmpl == nil {
		return "", fmt.Errorf("executeTemplate: there is no template %q in this file", name)
	}
	output, err := x.run(tmpl, dot)
	var inner *nested
	switch {
	case err == nil:
		return string(output), nil
	case errors.As(err, &inner):
		return "", inner
	}
	return "", &nested{err}
}

// note takes what is wrong with an answer, once.
func (x *execution) note(text string) {
	if x.noted == nil {
		x.noted = map[string]bool{}
	}
	if !x.noted[text] {
		x.noted[text] = true
		x.notes = append(x.notes, text)
	}
}

// write implements the function writeToFile: it holds the file back, together with
// what was said of it before.
func (x *execution) write(w funcs.FileWrite) error {
	x.held += int64(len(w.Content))
	if x.held > x.t.limit {
		return fmt.Errorf("the files have more than %s together", size(x.t.limit))
	}
	f := rollout.File{
		Path: w.Path, Content: []byte(w.Content), Mode: w.Mode, ExactMode: true, UID: w.UID, GID: w.GID,
		Append: w.Append, Within: w.Within, Why: "writeToFile in " + x.t.name,
	}
	if i := slices.IndexFunc(x.writes, func(e rollout.File) bool { return e.Path == f.Path }); i >= 0 {
		x.writes[i] = followedBy(x.writes[i], f)
		return nil
	}
	if _, err := f.Differs(); err != nil { // known now, it has a place in the template
		return err
	}
	x.writes = append(x.writes, f)
	return nil
}

// followedBy is what to write when one file is written twice.
func followedBy(first, then rollout.File) rollout.File {
	if then.UID < 0 {
		then.UID = first.UID
	}
	if then.GID < 0 {
		then.GID = first.GID
	}
	if then.Append {
		then.Content = append(first.Content, then.Content...)
		then.Append = first.Append
	}
	return then
}

// size shows a number of bytes.
func size(n int64) string {
	if n >= 1<<20 && n%(1<<20) == 0 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d bytes", n)
}
