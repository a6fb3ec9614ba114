package funcs

import (
	"slices"
	"text/template"

	"github.com/Masterminds/sprig/v3"
)

// builtins are the functions of text/template, which keep their names
// (https://pkg.go.dev/text/template#hdr-Functions).
var builtins = []string{
	"and", "call", "html", "index", "js", "len", "not", "or", "print", "printf", "println", "slice", "urlquery",
	"eq", "ge", "gt", "le", "lt", "ne",
}

// sprigFuncs are sprig's functions whose result depends on nothing outside, as
// sprig_NAME and as NAME unless text/template has that one.
func sprigFuncs() template.FuncMap {
	all := make(template.FuncMap)
	for name, fn := range sprig.HermeticTxtFuncMap() {
		all["sprig_"+name] = fn
		if !slices.Contains(builtins, name) {
			all[name] = fn
		}
	}
	return all
}
