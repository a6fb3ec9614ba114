package render

import (
	"os"
	"time"

	"github.com/ctmpl/ctmpl/render/rollout"
)

// Spec is one template as it is configured.
type Spec struct {
	Source   string // a file; or
	Contents string // the text itself
	Syntax   Syntax
	// File is where the output goes; its Content is left empty. Without a path the
	// template can only be shown.
	File    rollout.File
	Command rollout.Command
	Wait    Wait
	// Fatal ends the engine when the template fails.
	Fatal bool
}

// Wait makes a template wait for quiet: it runs when no answer has changed for
// Min, and at the latest when the first change is Max old. The first execution
// does not wait. Zero does not wait.
type Wait struct{ Min, Max time.Duration }

// Name is what the template is called in messages.
func (s *Spec) Name() string {
	switch {
	case s.Source != "":
		return s.Source
	case s.File.Path != "":
		return "contents of " + s.File.Path
	}
	return "contents"
}

// read gives the text of the template.
func (s *Spec) read() (string, error) {
	if s.Source == "" {
		return s.Contents, nil
	}
	text, err := os.ReadFile(s.Source)
	return string(text), err
}

// same tells whether a template that is configured anew may keep its state.
func (s *Spec) same(o *Spec) bool {
	return s.Source == o.Source && s.Contents == o.Contents && s.File.Path == o.File.Path
}
