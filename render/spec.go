package render

import (
	"os"
	"time"

	"github.com/ctmpl/ctmpl/render/guard"
	"github.com/ctmpl/ctmpl/render/rollout"
	"github.com/ctmpl/ctmpl/templates"
)

// Spec is one template as it is configured.
type Spec struct {
	Source   string // a file, or the name of a shipped template; or
	Contents string // the text itself
	Syntax   Syntax
	// File is where the output goes; its Content is left empty. Without a path the
	// template can only be shown.
	File    rollout.File
	Command rollout.Command
	// Check is run on the rendered file before it is put in place, and Verify when it
	// has been taken over.
	Check, Verify rollout.Command
	// Target is how the templates of its target are rolled out. It is the same for all
	// of them.
	Target TargetSpec
	// Guard keeps an output from going live that looks wrong, for as long as Hold says:
	// without end when that is negative. There is none when it is nil.
	Guard *guard.Limits
	Hold  time.Duration
	Wait  Wait
	// Urgent does not wait when an instance has left.
	Urgent bool
	// Fatal ends the engine when the template fails.
	Fatal bool
}

// TargetSpec is how the templates of a target are rolled out.
type TargetSpec struct {
	Group  string         // the templates of a group are one target
	Driver rollout.Driver // checks and reloads; nil when commands do
	// DriverKey is equal for equal drivers: templates that share one are one target.
	DriverKey              string
	Check, Command, Verify rollout.Command // of the group
	OnDrift                Drift
	MinInterval            time.Duration // between two reloads; 0 is no bound
	MaxPerMinute           int           // reloads; 0 is no bound
	// Canonical gives what counts of a file: as long as it is the same there is no
	// reload. All counts when it is nil.
	Canonical func([]byte) []byte
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
	switch {
	case s.Source == "":
		return s.Contents, nil
	case templates.Named(s.Source):
		return templates.Source(s.Source)
	}
	text, err := os.ReadFile(s.Source)
	return string(text), err
}

// targetKey is equal for templates of one target: those of a group, those that share
// what reloads, and a template for itself that has none.
func (s *Spec) targetKey() string {
	switch {
	case s.Target.Group != "":
		return "group\x00" + s.Target.Group
	case s.Target.Driver != nil:
		return "driver\x00" + s.Target.DriverKey
	case !s.Command.None():
		return s.Command.Key()
	}
	return "\x00" + s.File.Path
}

// same tells whether a template that is configured anew may keep its state.
func (s *Spec) same(o *Spec) bool {
	return s.Source == o.Source && s.Contents == o.Contents && s.File.Path == o.File.Path
}
