package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/ctmpl/ctmpl/templates"
)

// templates is the command that lists the shipped templates, or prints one.
func (m *Main) templates(args []string) int {
	switch {
	case len(args) == 0:
		listTemplates(m.Stdout)
		return exitOK
	case len(args) == 2 && args[0] == "show":
		t, err := templates.Find(args[1])
		if err != nil {
			return m.fail(exitRuntime, err)
		}
		fmt.Fprint(m.Stdout, t.Text)
		return exitOK
	}
	return m.fail(exitFlags, errors.New("templates: want nothing, or show and the name of a template"))
}

// listTemplates prints the name of each with what it is.
func listTemplates(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	part := false
	for _, t := range templates.All() {
		if t.Part && !part {
			part = true
			fmt.Fprintln(w, "\nparts of templates, for {{ template \"NAME\" … }}:")
		}
		fmt.Fprintf(w, "%s\t%s\n", t.Name, t.About)
	}
	_ = w.Flush()
}
