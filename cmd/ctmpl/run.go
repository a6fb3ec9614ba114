package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/ctmpl/ctmpl/cmd/ctmpl/config"
	"github.com/ctmpl/ctmpl/internal/conf"
	"github.com/ctmpl/ctmpl/render"
)

// The exit codes, which are consul-template's.
const (
	exitOK        = 0
	exitInterrupt = 12 // by a signal
	exitFlags     = 13
	exitRuntime   = 14
	exitConfig    = 15
)

// Main is the program without its process, so that tests can run it.
type Main struct {
	Args           []string
	Stdout, Stderr io.Writer
	// Signals gets the signals that the process is to act on.
	Signals chan os.Signal
	// At is called at each point where a rollout may be cut short, for tests.
	At func(point string)
}

// command is what the first argument can ask for, beside keeping files true.
type command struct {
	name, args string
	help       string
	run        func(*Main, []string) int
}

// commands gives all of them, in the order of the help text.
func commands() []command {
	return []command{
		{"check", "FLAGS", "say all that is wrong with configuration and templates, without asking anybody or writing anything", (*Main).check},
		{"templates", "[show NAME]", "list the templates that ctmpl ships, or print one", (*Main).templates},
		{"status", "[TARGET]", "tell how each target is and why, and which good outputs are kept of it", (*Main).status},
		{"approve", "[TARGET]", "let what guards hold go live", (*Main).approve},
		{"rollback", "TARGET", "put an earlier good output in place (-to N), until it is released", (*Main).rollback},
		{"release", "[TARGET]", "render again what was rolled back, or kept as somebody else has changed it", (*Main).release},
		{"completion", "SHELL", "print what bash, zsh or fish needs to complete the command line", (*Main).completion},
	}
}

// commandNamed finds a command.
func commandNamed(name string) (command, bool) {
	all := commands()
	i := slices.IndexFunc(all, func(c command) bool { return c.name == name })
	if i < 0 {
		return command{}, false
	}
	return all[i], true
}

// Run does what the arguments say and gives the exit code.
func (m *Main) Run() int {
	if len(m.Args) > 0 {
		if c, ok := commandNamed(m.Args[0]); ok {
			return c.run(m, m.Args[1:])
		}
	}
	flags, cfg, code := m.configure(m.Args)
	switch {
	case cfg == nil:
		return code
	case cfg.ParseOnly:
		return m.parseOnly(cfg, flags)
	case len(cfg.Templates) == 0 && cfg.Once && !cfg.Exec.On():
		fmt.Fprintln(m.Stderr, "ctmpl: there is no template, so there is nothing to do")
		return exitOK
	}
	flags.at = m.At
	d, err := newDaemon(cfg, flags, m.Stdout, m.Stderr)
	if err != nil {
		return m.code(err)
	}
	return m.code(d.run(context.Background(), m.Signals))
}

// configure reads the command line and the configuration. Without one all is done,
// and the exit code says how.
func (m *Main) configure(args []string) (*flags, *config.Config, int) {
	flags, err := parseFlags(args)
	switch {
	case err != nil:
		return nil, nil, m.fail(exitFlags, err)
	case flags.help:
		fmt.Fprint(m.Stdout, helpText())
		return nil, nil, exitOK
	case flags.version:
		fmt.Fprintln(m.Stdout, "ctmpl v"+version)
		return nil, nil, exitOK
	}
	cfg, err := flags.load()
	if err != nil {
		return nil, nil, m.fail(exitConfig, err)
	}
	return flags, cfg, exitOK
}

// code turns the end of the program into an exit code.
func (m *Main) code(err error) int {
	var bad *configError
	var child *childExit
	switch {
	case errors.As(err, &child):
		return child.code
	case errors.Is(err, errInterrupted):
		return exitInterrupt
	case errors.As(err, &bad):
		return m.fail(exitConfig, err)
	case errors.Is(err, render.ErrFailed): // has been logged
		return exitRuntime
	case err != nil:
		return m.fail(exitRuntime, err)
	}
	return exitOK
}

// fail prints an error, a line each when it holds several. Below one of the
// configuration stands the line that it is about.
func (m *Main) fail(code int, err error) int {
	for _, err := range each(err) {
		fmt.Fprintln(m.Stderr, "ctmpl: "+err.Error())
		if excerpt := conf.Excerpt(err); excerpt != "" {
			fmt.Fprintln(m.Stderr, excerpt)
		}
	}
	if code == exitFlags {
		fmt.Fprintln(m.Stderr, "ctmpl: see ctmpl -help")
	}
	return code
}

// each gives the errors that were joined into one.
func each(err error) []error {
	var all []error
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			all = append(all, each(err)...)
		}
		return all
	}
	var bad *configError
	if errors.As(err, &bad) {
		return each(bad.error)
	}
	return []error{err}
}

// configError is an error that belongs to the configuration though it was found
// later.
type configError struct{ error }

func (e *configError) Unwrap() error { return e.error }

// errInterrupted says that a signal asked the program to end.
var errInterrupted = errors.New("ended by a signal")
