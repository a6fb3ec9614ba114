package render

import (
	"bytes"
	"text/template"

	"github.com/ctmpl/ctmpl/funcs"
	"github.com/ctmpl/ctmpl/watch"
)

// Syntax is how the text of a template is read.
type Syntax struct {
	Left, Right string // delimiters, {{ and }} when empty
	// FailOnMissingKey makes an error of a map entry that is not there; without it
	// that is the zero value.
	FailOnMissingKey bool
	Funcs            funcs.Options
}

// Template is a parsed template. It is not safe for use by several goroutines.
type Template struct {
	name   string
	text   string
	parsed *template.Template
	reads  *reads
}

// Result is what one execution gave.
type Result struct {
	Output []byte // nil while something is missing
	// Used are the queries whose answers were read, each with its revision.
	Used map[watch.Query]uint64
	// Missing are the queries without a usable answer, each with the revision of
	// the one that was refused, or 0.
	Missing map[watch.Query]uint64
}

// Parse parses the text of a template. name is its file, for errors. The error is
// an *Error.
func Parse(name, text string, syntax Syntax) (*Template, error) {
	t := &Template{name: name, text: text, reads: &reads{}}
	option := "missingkey=zero"
	if syntax.FailOnMissingKey {
		option = "missingkey=error"
	}
	parsed, err := template.New(name).
		Delims(syntax.Left, syntax.Right).
		Option(option).
		Funcs(funcs.Map(t.reads, syntax.Funcs)).
		Parse(text)
	if err != nil {
		return nil, t.explain(err, syntax)
	}
	t.parsed = parsed
	return t, nil
}

// Execute runs the template on the answers in store. While answers are missing
// there is no output and no error, since it may be due to just that. The error is
// an *Error.
func (t *Template) Execute(store *watch.Store) (Result, error) {
	*t.reads = reads{store: store, used: map[watch.Query]uint64{}, missing: map[watch.Query]uint64{}, answers: map[watch.Query]any{}}
	var out bytes.Buffer
	err := t.parsed.Execute(&out, nil)
	result := Result{Used: t.reads.used, Missing: t.reads.missing}
	switch {
	case len(result.Missing) > 0:
		return result, nil
	case err != nil:
		located := t.explain(err, Syntax{})
		located.redact(t.reads.answers)
		return result, located
	}
	result.Output = out.Bytes()
	if result.Output == nil {
		result.Output = []byte{}
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
