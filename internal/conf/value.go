// Package conf reads HCL and JSON files into plain Go values.
//
// What it guarantees:
//
//   - The languages are those of HCL v1, which consul-template reads: what it loads
//     loads here, and means the same. What v1 drops without a word (the rest of a
//     JSON object after a missing comma) is an error.
//   - Strings are literal: ${x} and %{x} reach the program unchanged. Between ${ and
//     its } quotes and backslashes are literal, too.
//   - A block, an attribute with an object, and a list of either are the same
//     thing, as they are in HCL v1 and in JSON. A block with a label is an object
//     with the label as its key: group "a" {} is group { a {} }.
//   - In one object, of a block or a value that is set twice the last one holds;
//     lists add up. Across files they go over the values that are there already, so
//     defaults and several files need no merging.
//   - Every error names file, line and column, and an unknown key the nearest
//     known one. All errors of a file are reported, not just the first.
//   - No error holds a value, which may be a secret.
//   - Reading takes time in proportion to the text, whatever the text.
package conf

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
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

// Error is an error at a place.
type Error struct {
	Pos Pos
	err error
}

// Error gives file:line:column: what is wrong.
func (e *Error) Error() string { return e.Pos.String() + ": " + e.err.Error() }

// Unwrap gives the error without its place.
func (e *Error) Unwrap() error { return e.err }

// Errorf makes an *Error at this place.
func (p Pos) Errorf(format string, args ...any) error {
	return &Error{Pos: p, err: fmt.Errorf(format, args...)}
}

// Value is one value of a file: a scalar, a list or an object. The zero value is
// null.
type Value struct {
	Pos    Pos
	Raw    string // of a scalar: its text, where 0600 and 600 differ
	List   []Value
	Object []Member // in the order of the file; a name may come several times
	kind   kind
	// labelOf is the name that a label follows, where the object is that label with
	// its block.
	labelOf string
}

// Member is one entry of an object.
type Member struct {
	Name  string
	Pos   Pos
	Value Value
}

type kind int

const (
	null kind = iota
	text
	number
	truth
	list
	object
)

// At makes an object with one string in it, at a path of names with dots between
// them.
func At(pos Pos, path, s string) Value {
	v := Value{Pos: pos, Raw: s, kind: text}
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
// files of a directory and of those below it, in lexical order, a directory in the
// place of its name. Left out is what is hidden, files and directories, what editors
// leave behind (name~), and what is not a file; links to directories are not followed,
// as consul-template does not either.
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
		below := filepath.Join(path, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), "."):
		case e.IsDir():
			more, err := Files(below)
			if err != nil {
				return nil, err
			}
			files = append(files, more...)
		case !strings.HasSuffix(e.Name(), "~") && isFile(below):
			files = append(files, below)
		}
	}
	return files, nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
