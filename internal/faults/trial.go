package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// programs are the commands that are tested.
type programs struct {
	ctmpl  string // path
	halted string // that of ctmpl with a halt, see cmd/ctmpl/faults_test.go
}

// build builds ctmpl into dir: the test binary of its package, which serves as ctmpl
// and as one that halts.
func build(ctx context.Context, dir string, race bool, more ...string) (programs, error) {
	args := []string{"test", "-c", "-o", filepath.Join(dir, "ctmpl.test")}
	if race {
		args = append(args, "-race")
	}
	args = append(append(args, more...), "github.com/ctmpl/ctmpl/cmd/ctmpl")
	if out, err := exec.CommandContext(ctx, "go", args...).CombinedOutput(); err != nil {
		return programs{}, fmt.Errorf("cannot build ctmpl: %w\n%s", err, out)
	}
	p := programs{ctmpl: filepath.Join(dir, "ctmpl"), halted: filepath.Join(dir, "ctmpl-halted")}
	return p, errors.Join(os.Symlink("ctmpl.test", p.ctmpl), os.Symlink("ctmpl.test", p.halted))
}

// trial is one fault being done.
type trial struct {
	ctx     context.Context
	built   programs
	full    bool     // all of it, not only what make test does
	verbose bool     // show the logs also when all went well
	env     []string // more of ctmpl's environment
	clock   string   // a file, see clock.go
	worlds  []*world
	closers []func() error
	notes   []string // figures beside those of the requests

	sent, failed, excused int
	first                 error // of those that failed
}

// note adds a figure.
func (t *trial) note(format string, args ...any) {
	t.notes = append(t.notes, fmt.Sprintf(format, args...))
}

// later has something ended with the trial, last things first.
func (t *trial) later(f func() error) { t.closers = append(t.closers, f) }

// close ends everything. The error tells what was wrong with all worlds.
func (t *trial) close(err error) error {
	failed := err != nil
	for _, w := range t.worlds {
		switch {
		case failed:
			err = fmt.Errorf("%w\n%s", err, w.story())
		case t.verbose:
			fmt.Fprint(os.Stderr, w.story())
		}
	}
	for _, f := range slices.Backward(t.closers) {
		err = errors.Join(err, f())
	}
	if t.failed > 0 {
		err = errors.Join(err, fmt.Errorf("%d of %d requests failed, the first with: %w", t.failed, t.sent, t.first))
	}
	return err
}

// requests gives the figures of the requests.
func (t *trial) requests() string {
	text := fmt.Sprintf("%d requests, %d failed", t.sent, t.failed)
	if t.excused > 0 {
		text += fmt.Sprintf(" (and %d while nginx was down)", t.excused)
	}
	return text
}

// times are how long something took, again and again.
type times []time.Duration

func (l times) String() string {
	switch len(l) {
	case 0:
		return "never"
	case 1:
		return short(l[0])
	}
	sorted := slices.Sorted(slices.Values(l))
	return fmt.Sprintf("%s (median), %s (slowest)", short(sorted[len(sorted)/2]), short(sorted[len(sorted)-1]))
}

// short writes a time with no more digits than mean something.
func short(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}
