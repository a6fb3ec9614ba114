package rollout

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"text/template"
)

// Check is a command that checks staged files. In its arguments, {{ .Staged }} and
// {{ .Destination }} stand for the file, and {{ range .Files }} goes through all of
// them, each with .Staged and .Destination. In its environment, CTMPL_STAGED and
// CTMPL_DESTINATION are those of the file.
type Check struct {
	Command Command
	// Template is what the file comes from; empty for a check of all files together,
	// where the file is the first.
	Template string
}

// String is the check as the user wrote it.
func (c Check) String() string { return fmt.Sprintf("%q", c.Command) }

// checked is a file as a check sees it.
type checked struct{ Staged, Destination string }

// ParseCheck tells whether the argument of a check can be used.
func ParseCheck(text string) error {
	_, err := expand(text, map[string]any{"Staged": "", "Destination": "", "Files": []checked{{}}})
	return err
}

func expand(text string, values map[string]any) (string, error) {
	tmpl, err := template.New("check").Option("missingkey=error").Parse(text)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = tmpl.Execute(&b, values)
	return b.String(), err
}

// run checks those of the staged files that are the check's, if there are any.
func (c Check) run(ctx context.Context, all []*staged) error {
	var files []checked
	var subject *checked
	for _, s := range all {
		f := checked{Staged: s.where(), Destination: s.file.place(s.plan.path)}
		files = append(files, f)
		switch {
		case c.Template == "" && subject == nil, c.Template != "" && f.Destination == destination(c.Template):
			subject = &f
		case c.Template == s.file.Template && subject == nil: // its destination stays as it is
			subject = &checked{Staged: destination(c.Template), Destination: destination(c.Template)}
		}
	}
	if subject == nil {
		return nil
	}
	command := c.Command
	command.Args = nil
	for _, arg := range c.Command.Args {
		text, err := expand(arg, map[string]any{"Staged": subject.Staged, "Destination": subject.Destination, "Files": files})
		if err != nil {
			return err
		}
		command.Args = append(command.Args, text)
	}
	if command.Env == nil {
		command.Env = os.Environ()
	}
	command.Env = append(slices.Clip(command.Env), "CTMPL_STAGED="+subject.Staged, "CTMPL_DESTINATION="+subject.Destination)
	return command.Run(ctx)
}

// destination is where the output of a template lives, with symbolic links followed.
func destination(template string) string {
	if path, err := (File{Path: template}).Resolve(); err == nil {
		return path
	}
	return template
}

// where is the path of the staged content: of the destination itself, where that has
// the content already.
func (s *staged) where() string {
	if s.tmp == "" {
		return s.file.place(s.plan.path)
	}
	return s.file.place(s.tmp)
}

// places gives staged files as a driver wants them.
func places(all []*staged) []Staged {
	var list []Staged
	for _, s := range all {
		list = append(list, Staged{Path: s.file.place(s.plan.path), Staged: s.where()})
	}
	return list
}

// exited tells whether the command ran to its end and said no.
func (e *CommandError) exited() bool {
	var exit *exec.ExitError
	return errors.As(e.Err, &exit) && exit.Exited()
}
