// Package templates holds the templates that ctmpl ships.
//
// What it guarantees:
//
//   - A name begins with @. Whole ones end in .conf and are a source like a file; the
//     others are parts, which any template can call.
//   - They are configuration of nginx, and each value in them is printed by a function
//     for that: they pass with that format.
package templates

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"sync"

	"github.com/ctmpl/ctmpl/internal/conf"
)

// Template is one that is shipped.
type Template struct {
	Name  string // "@nginx/gateway.conf"
	About string // one line
	Text  string
	Part  bool // it is called by others
}

//go:embed nginx
var files embed.FS

// All gives them by name, the whole ones first.
var All = sync.OnceValue(func() []Template {
	var whole, parts []Template
	_ = fs.WalkDir(files, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if t := read(file); t.Part {
			parts = append(parts, t)
		} else {
			whole = append(whole, t)
		}
		return nil
	})
	return append(whole, parts...)
})

// read reads a template. It begins with a comment whose first line says what it is.
func read(file string) Template {
	text, _ := files.ReadFile(file) // it is part of the program
	name := "@" + strings.TrimSuffix(file, ".tmpl")
	about, _, _ := strings.Cut(strings.TrimPrefix(string(text), "{{- /* "), "\n")
	about, _, _ = strings.Cut(about, " */")
	return Template{Name: name, About: about, Text: string(text), Part: path.Ext(name) != ".conf"}
}

// Named tells whether a source is the name of a shipped template, and no file.
func Named(source string) bool { return strings.HasPrefix(source, "@") }

// Find gives the template of a name. The error names the nearest one.
func Find(name string) (Template, error) {
	var names []string
	for _, t := range All() {
		if t.Name == name {
			return t, nil
		}
		names = append(names, t.Name)
	}
	return Template{}, fmt.Errorf("there is no template %.80q in ctmpl%s (ctmpl templates lists them)", name, conf.DidYouMean(name, names))
}

// Source gives the text of a template that is a source. The error also says how to
// name a file whose name begins with @, and how to call a part.
func Source(name string) (string, error) {
	t, err := Find(name)
	switch {
	case err != nil:
		return "", fmt.Errorf("%w; a file of that name is ./%.80s", err, name)
	case t.Part:
		return "", fmt.Errorf("%s is a part for templates of your own: call it there by {{ template %q … }}", name, name)
	}
	return t.Text, nil
}
