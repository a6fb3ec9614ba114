package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ctmpl/ctmpl/cmd/ctmpl/config"
	"github.com/ctmpl/ctmpl/funcs"
	"github.com/ctmpl/ctmpl/render"
	"github.com/ctmpl/ctmpl/templates"
)

// docs/templates.md has each template, each variable and each key of metadata.
func TestShippedTemplatesAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/templates.md")
	if err != nil {
		t.Fatal(err)
	}
	names := funcs.MetaKeys()
	for _, tmpl := range templates.All() {
		names = append(names, tmpl.Name)
		if tmpl.About == "" || strings.ContainsAny(tmpl.About, "{}*") {
			t.Errorf("%s does not say what it is: %q", tmpl.Name, tmpl.About)
		}
		if tmpl.Part {
			continue
		}
		vars, ok := render.Vars(render.Spec{Source: tmpl.Name, Syntax: render.Syntax{Format: string(config.FormatNginx)}})
		if !ok || len(vars) == 0 {
			t.Errorf("the variables of %s are not known", tmpl.Name)
		}
		names = append(names, vars...)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if !strings.Contains(string(text), "`"+name+"`") && !strings.Contains(string(text), name+" ") {
			t.Errorf("docs/templates.md has nothing on %s", name)
		}
	}
}
