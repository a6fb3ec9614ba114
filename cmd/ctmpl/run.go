package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"reflect"
	"strings"

	"github.com/ctmpl/ctmpl/cmd/ctmpl/config"
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
	// Hup asks to read configuration and templates again.
	Hup <-chan os.Signal
}

// Run does what the arguments say and gives the exit code.
func (m *Main) Run(ctx context.Context) int {
	flags, err := parseFlags(m.Args)
	switch {
	case err != nil:
		return m.fail(exitFlags, err)
	case flags.help:
		fmt.Fprint(m.Stdout, helpText())
		return exitOK
	case flags.version:
		fmt.Fprintln(m.Stdout, "ctmpl v"+version)
		return exitOK
	}
	cfg, err := flags.load()
	if err != nil {
		return m.fail(exitConfig, err)
	}
	return m.code(ctx, m.sessions(ctx, flags, cfg))
}

// sessions runs one session after the other: a new one begins when the
// configuration asks for another source.
func (m *Main) sessions(ctx context.Context, flags *flags, cfg *config.Config) error {
	s, err := newSession(cfg, flags, m.Stdout, m.Stderr)
	for err == nil && s != nil {
		s, err = s.run(ctx, m.Hup)
	}
	return err
}

// code turns the end of all sessions into an exit code.
func (m *Main) code(ctx context.Context, err error) int {
	var bad *configError
	switch {
	case errors.As(err, &bad):
		return m.fail(exitConfig, err)
	case errors.Is(err, render.ErrFailed): // has been logged
		return exitRuntime
	case err != nil:
		return m.fail(exitRuntime, err)
	case ctx.Err() != nil:
		return exitInterrupt
	}
	return exitOK
}

// fail prints an error, a line each when it holds several.
func (m *Main) fail(code int, err error) int {
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintln(m.Stderr, "ctmpl: "+line)
	}
	if code == exitFlags {
		fmt.Fprintln(m.Stderr, "ctmpl: see ctmpl -help")
	}
	return code
}

// configError is an error that belongs to the configuration though it was found
// later.
type configError struct{ error }

func (e *configError) Unwrap() error { return e.error }

// sameSource tells whether two configurations ask the same source in the same way,
// so that what was read stays good.
func sameSource(a, b *config.Config) bool {
	return a.Catalog == b.Catalog && reflect.DeepEqual(a.Consul, b.Consul) && a.MaxStale == b.MaxStale &&
		a.BlockQueryWait == b.BlockQueryWait && a.Once == b.Once
}

func newLog(w io.Writer, level slog.Leveler) *slog.Logger {
	return slog.New(logHandler(w, level))
}
