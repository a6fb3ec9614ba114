// Package conf reads HCL and JSON files into plain Go values.
//
// What it guarantees:
//
//   - The parser is HCL v2's. What HCL v1 took and v2 does not (several
//     attributes on one line, quoted keys, ${…} in strings) is taken too and means
//     what it meant.
//   - Strings are literal: ${x} and %{x} reach the program unchanged.
//   - A block, an attribute with an object, and a list of either are the same
//     thing, as they are in HCL v1 and in JSON.
//   - Decoding goes over the values that are there already, so defaults and
//     several files need no merging.
//   - Every error names file, line and column, and an unknown key the nearest
//     known one. All errors of a file are reported, not just the first.
//   - No error holds a value, which may be a secret.
package conf

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/json"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// Pos is a place in a file; lines and columns count from 1.
type Pos struct {
	File         string
	Line, Column int
}

// String gives file:line:column, or the file alone when there is no line, as for a
// flag of the command line.
func (p Pos) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Errorf makes an error at this place.
func (p Pos) Errorf(format string, args ...any) error {
	return fmt.Errorf("%s: %w", p, fmt.Errorf(format, args...))
}

// Value is one value of a file: a scalar, a list or an object.
type Value struct {
	Pos    Pos
	Raw    string // the source text of a scalar, where 0600 and 600 differ
	Scalar cty.Value
	List   []Value
	Object []Member // in the order of the file; a name may come several times
	kind   kind
}

// Member is one entry of an object.
type Member struct {
	Name  string
	Pos   Pos
	Value Value
}

type kind int

const (
	scalar kind = iota
	list
	object
)

// At makes an object with one string in it, at a path of names with dots between
// them.
func At(pos Pos, path, text string) Value {
	v := Value{Pos: pos, Raw: text, Scalar: cty.StringVal(text)}
	names := strings.Split(path, ".")
	slices.Reverse(names)
	for _, name := range names {
		v = Value{Pos: pos, kind: object, Object: []Member{{Name: name, Pos: pos, Value: v}}}
	}
	return v
}

// ReadFile reads one file.
func ReadFile(path string) (Value, error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return Value{}, err
	}
	return Parse(path, src)
}

// Files lists the configuration files that a path stands for: itself, or the
// files of a directory in lexical order. Hidden files of a directory, what editors
// leave behind (name~), and what is not a file, are left out.
func Files(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		file := filepath.Join(path, e.Name())
		if strings.HasPrefix(e.Name(), ".") || strings.HasSuffix(e.Name(), "~") {
			continue
		}
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			files = append(files, file)
		}
	}
	return files, nil
}

// Parse reads the text of a file. It is JSON when its name says so or when it
// begins with a brace, else HCL.
func Parse(name string, src []byte) (Value, error) {
	if filepath.Ext(name) == ".json" || bytes.HasPrefix(bytes.TrimSpace(src), []byte("{")) {
		return parseJSON(name, src)
	}
	return parseHCL(name, src)
}

func parseJSON(name string, src []byte) (Value, error) {
	r := &reader{name: name, src: src}
	file, diags := json.Parse(src, name)
	if diags.HasErrors() {
		return Value{}, r.errors(diags)
	}
	attrs, diags := file.Body.JustAttributes()
	if diags.HasErrors() {
		return Value{}, r.errors(diags)
	}
	v := Value{Pos: Pos{name, 1, 1}, kind: object}
	for _, attr := range attrs {
		v.Object = append(v.Object, Member{Name: attr.Name, Pos: r.pos(attr.NameRange), Value: r.expr(attr.Expr)})
	}
	return r.finish(v)
}

func parseHCL(name string, src []byte) (Value, error) {
	text := fromV1(src)
	r := &reader{name: name, src: src, text: text, ctx: &hcl.EvalContext{Functions: functions}}
	file, diags := hclsyntax.ParseConfig(text.src, name, hcl.InitialPos)
	if diags.HasErrors() {
		return Value{}, r.errors(diags)
	}
	return r.finish(r.body(file.Body.(*hclsyntax.Body)))
}

// functions are what an expression of a file may call.
var functions = map[string]function.Function{
	"env": function.New(&function.Spec{
		Params: []function.Parameter{{Name: "name", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.StringVal(os.Getenv(args[0].AsString())), nil
		},
	}),
}

// reader turns the syntax tree of one file into values.
type reader struct {
	name string
	src  []byte
	text rewritten // of HCL; JSON is parsed as it is
	ctx  *hcl.EvalContext
	errs []error
}

func (r *reader) pos(rng hcl.Range) Pos { return r.place(rng.Start) }

func (r *reader) place(p hcl.Pos) Pos {
	if r.text.src == nil {
		return Pos{r.name, p.Line, p.Column}
	}
	line, column := r.text.original(p.Byte)
	return Pos{r.name, line, column}
}

func (r *reader) body(b *hclsyntax.Body) Value {
	v := Value{Pos: r.pos(b.SrcRange), kind: object}
	for name, attr := range b.Attributes {
		v.Object = append(v.Object, Member{Name: name, Pos: r.pos(attr.NameRange), Value: r.expr(attr.Expr)})
	}
	for _, block := range b.Blocks {
		value := r.body(block.Body)
		if len(block.Labels) > 0 {
			r.errs = append(r.errs, r.pos(block.LabelRanges[0]).Errorf("%s takes no label", block.Type))
		}
		v.Object = append(v.Object, Member{Name: block.Type, Pos: r.pos(block.TypeRange), Value: value})
	}
	return v
}

func (r *reader) expr(e hcl.Expression) Value {
	v := Value{Pos: r.pos(e.Range())}
	if pairs, diags := hcl.ExprMap(e); !diags.HasErrors() {
		v.kind = object
		for _, p := range pairs {
			v.Object = append(v.Object, Member{Name: r.key(p.Key), Pos: r.pos(p.Key.Range()), Value: r.expr(p.Value)})
		}
		return v
	}
	if items, diags := hcl.ExprList(e); !diags.HasErrors() {
		v.kind = list
		for _, item := range items {
			v.List = append(v.List, r.expr(item))
		}
		return v
	}
	value, diags := e.Value(r.ctx)
	if diags.HasErrors() {
		r.errs = append(r.errs, r.errors(diags))
		value = cty.StringVal("")
	}
	v.Scalar = value
	if !value.IsNull() && !value.Type().IsPrimitiveType() {
		r.errs = append(r.errs, v.Pos.Errorf("want a string, a number, a truth value, a list or an object"))
		v.Scalar = cty.StringVal("")
	}
	v.Raw = r.raw(e.Range())
	if strings.HasPrefix(v.Raw, "<<") {
		v.Scalar = cty.StringVal(heredocText(v.Raw))
	}
	return v
}

func (r *reader) raw(rng hcl.Range) string {
	if r.text.src != nil {
		return string(rng.SliceBytes(r.text.src))
	}
	return string(rng.SliceBytes(r.src))
}

// key is the name of an object's member.
func (r *reader) key(e hcl.Expression) string {
	value, diags := e.Value(nil)
	if diags.HasErrors() || value.IsNull() || value.Type() != cty.String {
		r.errs = append(r.errs, r.pos(e.Range()).Errorf("want a name"))
		return ""
	}
	return value.AsString()
}

// finish orders the members as the file has them and reports what was found.
func (r *reader) finish(v Value) (Value, error) {
	order(v)
	return v, errors.Join(r.errs...)
}

func order(v Value) {
	slices.SortStableFunc(v.Object, func(a, b Member) int {
		if a.Pos.Line != b.Pos.Line {
			return a.Pos.Line - b.Pos.Line
		}
		return a.Pos.Column - b.Pos.Column
	})
	for _, m := range v.Object {
		order(m.Value)
	}
	for _, item := range v.List {
		order(item)
	}
}

// errors turns the parser's messages into lines of ours.
func (r *reader) errors(diags hcl.Diagnostics) error {
	var errs []error
	for _, d := range diags {
		if d.Severity != hcl.DiagError {
			continue
		}
		pos := Pos{File: r.name, Line: 1, Column: 1}
		if d.Subject != nil {
			pos = r.place(d.Subject.Start)
		}
		errs = append(errs, pos.Errorf("%s", explain(d)))
	}
	if more := len(errs) - maxSyntaxErrors; more > 0 {
		errs = append(errs[:maxSyntaxErrors], fmt.Errorf("%s: and %d more, which may follow from these", r.name, more))
	}
	return errors.Join(errs...)
}

// maxSyntaxErrors bounds what is said of a file that cannot be parsed: one error
// leads to others.
const maxSyntaxErrors = 3

// explain gives what a message says, without the part of the text that it quotes:
// that may be a secret.
func explain(d *hcl.Diagnostic) string {
	detail := strings.Join(strings.Fields(d.Detail), " ")
	if strings.ContainsAny(detail, "\"`") {
		return lowerFirst(d.Summary)
	}
	return lowerFirst(d.Summary) + ": " + lowerFirst(detail)
}

func lowerFirst(s string) string {
	if len(s) > 1 && s[1] >= 'a' && s[1] <= 'z' {
		return strings.ToLower(s[:1]) + s[1:]
	}
	return s
}
