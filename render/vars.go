package render

import (
	"maps"
	"slices"
	"strings"
	"text/template/parse"

	"github.com/ctmpl/ctmpl/funcs"
)

// Vars gives the names of the variables that a template reads by var. ok is false when
// that is not known: it cannot be read or parsed, or makes a name up.
func Vars(spec Spec) (names []string, ok bool) {
	text, err := spec.read()
	if err != nil {
		return nil, false
	}
	t, err := Parse(spec.Name(), text, spec.Syntax)
	if err != nil {
		return nil, false
	}
	ok = true
	for _, tmpl := range t.parsed.Templates() {
		if tmpl.Tree == nil || tmpl.Root == nil {
			continue
		}
		inspect(tmpl.Root, func(c *parse.CommandNode, first bool) {
			switch {
			case strings.HasPrefix(called(c), "nginx"):
				names = slices.AppendSeq(names, maps.Keys(funcs.VarsOf(called(c))))
			case called(c) != "var":
			case first && constantFirst(c) != "":
				names = append(names, c.Args[1].(*parse.StringNode).Text)
			default:
				ok = false
			}
		})
	}
	return names, ok
}
