package render

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"text/template"
	"text/template/parse"

	"github.com/ctmpl/ctmpl/funcs"
	"github.com/ctmpl/ctmpl/render/rollout"
)

// execution is one execution of a template, with all that it executes in turn.
type execution struct {
	t      *Template
	ctx    context.Context
	reads  *reads
	depth  int       // of templates within templates
	at     parse.Pos // of the template or loop that was entered last
	writes []rollout.File
	held   int64 // bytes of content in writes
}

// begin sets up an execution; end lets go of what it holds.
func (t *Template) begin(ctx context.Context, r *reads) *execution {
	x := &execution{t: t, ctx: ctx, reads: r}
	*t.bound = funcs.Execution{Reader: r, Context: ctx, Execute: x.executeTemplate, Write: x.write, Waiting: r.waiting}
	return x
}

func (t *Template) end() { *t.bound = funcs.Execution{} }

// run executes one template. The output is not nil.
func (x *execution) run(tmpl *template.Template, dot any) ([]byte, error) {
	g := &bounded{x: x, output: []byte{}}
	err := tmpl.Execute(g, dot)
	return g.output, err
}

// nested is the innermost error of templates that are executed by functions. Each of
// them would put its own place before the text of the one below, which for a
// recursion is a text without end.
type nested struct{ error }

func (e *nested) Unwrap() error { return e.error }

// executeTemplate implements the function of this name.
func (x *execution) executeTemplate(name string, dot any) (string, error) {
	tmpl := x.t.parsed.Lookup(name)
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
