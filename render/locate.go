package render

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/template/parse"
	"time"
	"unicode/utf8"

	"github.com/ctmpl/ctmpl/templates"
	"github.com/ctmpl/ctmpl/watch"
)

// Place is a place in a template.
type Place struct {
	File         string
	Line, Column int // from 1
}

// String gives file:line:column.
func (p Place) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column) }

// text is the name of what a place is in: that of the template, or of a shipped one
// that it calls.
type text string

// spot is an offset in a text.
type spot struct {
	in     text
	offset parse.Pos
}

// of gives where a node is in its text.
func (in text) of(n parse.Node) spot { return spot{in, n.Position()} }

// textOf gives a text by its name.
func (t *Template) textOf(in text) string {
	if shipped, err := templates.Find(string(in)); err == nil && string(in) != t.name {
		return shipped.Text
	}
	return t.text
}

// fileOf is how a text is named in messages: a shipped one that is called with who calls it.
func (t *Template) fileOf(in text) string {
	if in == "" || string(in) == t.name {
		return t.name
	}
	return t.name + ": " + string(in)
}

// placeOf gives the place of a spot.
func (t *Template) placeOf(at spot) Place {
	all := t.textOf(at.in)
	before := all[:min(int(at.offset), len(all))]
	start := strings.LastIndexByte(before, '\n') + 1
	return Place{File: t.fileOf(at.in), Line: strings.Count(before, "\n") + 1, Column: utf8.RuneCountInString(before[start:]) + 1}
}

// Each query takes an execution, so Locate looks for a few of them, and not for long.
const (
	locateMost = 10
	locateFor  = time.Second
)

// errSought ends an execution at the function that asks the query which is sought.
var errSought = errors.New("this is the place")

// Locate tells where in the template queries are asked, with the answers in store.
// It finds the first place of each, for up to ten queries; those that are not asked
// are left out. It executes the template without an effect on anything outside;
// a plugin is not run, and its result taken to be empty.
func (t *Template) Locate(store *watch.Store, queries []watch.Query) map[watch.Query]Place {
	ctx, cancel := context.WithTimeout(context.Background(), locateFor)
	defer cancel()
	places := map[watch.Query]Place{}
	for _, q := range queries[:min(len(queries), locateMost)] {
		if place, ok := t.locate(ctx, store, q); ok {
			places[q] = place
		}
	}
	return places
}

func (t *Template) locate(ctx context.Context, store *watch.Store, q watch.Query) (Place, bool) {
	x := t.begin(ctx, newReads(store))
	defer t.end()
	t.bound.Trial = true
	t.bound.Reader = seeker{x.reads, q}
	_, err := x.run(t.parsed, nil)
	if !errors.Is(err, errSought) {
		return Place{}, false
	}
	found := t.explain(err, Syntax{})
	return Place{File: found.File, Line: found.Line, Column: found.Column}, found.Line > 0
}

// seeker is the funcs.Reader of an execution that seeks a query.
type seeker struct {
	*reads
	sought watch.Query
}

// Read panics when it is asked the query: text/template makes an error of that,
// which has the place of the function.
func (s seeker) Read(q watch.Query) (any, bool) {
	if q == s.sought {
		panic(errSought)
	}
	return s.reads.Read(q)
}
