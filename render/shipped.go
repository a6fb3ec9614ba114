package render

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"text/template/parse"

	"github.com/ctmpl/ctmpl/templates"
)

// addShipped adds the shipped templates that those of the file call, and that these
// call in turn. One that the file defines itself goes before.
func (t *Template) addShipped(parsed *template.Template) error {
	for {
		names := missingShipped(parsed)
		if len(names) == 0 {
			return nil
		}
		for _, name := range names {
			found, err := templates.Find(name)
			if err != nil {
				return t.errorAt(t.firstCall(name), err.Error(), err)
			}
			if _, err := parsed.New(name).Delims("", "").Parse(found.Text); err != nil {
				return t.explain(err, Syntax{})
			}
			t.shipped = append(t.shipped, text(name))
		}
	}
}

// missingShipped are the names of shipped templates that are called and not there yet.
func missingShipped(parsed *template.Template) []string {
	names := map[string]bool{}
	for _, b := range bodiesOf(parsed) {
		for _, name := range b.calls {
			if templates.Named(name) && parsed.Lookup(name) == nil {
				names[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// firstCall is where the text names a template first.
func (t *Template) firstCall(name string) spot {
	return spot{text(t.name), parse.Pos(max(0, strings.Index(t.text, strconv.Quote(name))))}
}
