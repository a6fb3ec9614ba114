package child

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
)

func TestReloadBySignal(t *testing.T) {
	t.Parallel()
	j := newJournal(t)
	spec := j.program()
	spec.ReloadSignal = syscall.SIGHUP
	c := run(t, spec)
	j.await("start")
	c.Reload()
	j.await("start", "SIGHUP")
	c.Reload()
	j.await("start", "SIGHUP", "SIGHUP")
	stop(t, c)
	j.await("start", "SIGHUP", "SIGHUP", "SIGINT", "end")
}

func TestReloadByRestart(t *testing.T) {
	t.Parallel()
	j := newJournal(t)
	c := run(t, j.program("LAST=200ms"))
	j.await("start")
	c.Reload()
	// The new one starts when the old one has ended.
	j.await("start", "SIGINT", "end", "start")
	if old, _ := j.started(0); alive(old) {
		t.Error("the old process is left")
	}
	stop(t, c)
	j.await("start", "SIGINT", "end", "start", "SIGINT", "end")
}

func TestReloadCanBeNothing(t *testing.T) {
	t.Parallel()
	j := newJournal(t)
	spec := j.program()
	spec.ReloadSignal = NoSignal
	c := run(t, spec)
	j.await("start")
	c.Reload()
	c.Signal(syscall.SIGUSR1)
	j.await("start", "SIGUSR1")
	stop(t, c)
	j.await("start", "SIGUSR1", "SIGINT", "end")
}

func TestReloadsWithinTheSplayAreOne(t *testing.T) {
	t.Parallel()
	j := newJournal(t)
	spec := j.program()
	spec.ReloadSignal, spec.Splay = syscall.SIGHUP, 500*time.Millisecond
	c := run(t, spec)
	j.await("start")
	c.Signal(syscall.SIGHUP) // is a reload, too
	for range 100 {
		c.Reload()
	}
	c.Signal(syscall.SIGUSR1)
	servers.Eventually(t, deadline, func() error {
		if words := j.words(); !slices.Contains(words, "SIGHUP") || !slices.Contains(words, "SIGUSR1") {
			return fmt.Errorf("got %v", words)
		}
		return nil
	})
	stop(t, c)
	hups := 0
	for _, word := range j.words() {
		if word == "SIGHUP" {
			hups++
		}
	}
	// Those that came after the first splay, on a busy machine, are a second one.
	if hups > 2 {
		t.Errorf("%d reloads in %v", hups, j.words())
	}
}

func TestStopEndsASplay(t *testing.T) {
	t.Parallel()
	for _, reload := range []syscall.Signal{syscall.SIGHUP, 0} { // a signal, a restart
		j := newJournal(t)
		spec := j.program()
		spec.ReloadSignal, spec.Splay = reload, 1000*time.Hour
		c := run(t, spec)
		j.await("start")
		c.Reload()
		c.Signal(syscall.SIGUSR1) // others do not wait
		j.await("start", "SIGUSR1")
		stop(t, c)
		j.await("start", "SIGUSR1", "SIGINT", "end")
	}
}

func TestChildThatEndsInASplay(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		reload syscall.Signal
		again  bool // it was to be started anew
	}{{syscall.SIGHUP, false}, {0, true}} {
		j := newJournal(t)
		spec := j.program()
		spec.ReloadSignal, spec.Splay = tc.reload, 1000*time.Hour
		c := run(t, spec)
		j.await("start")
		c.Reload()
		servers.Eventually(t, deadline, func() error {
			if len(c.reload) > 0 {
				return errors.New("the splay has not begun")
			}
			return nil
		})
		pid, _ := j.started(0)
		_ = syscall.Kill(pid, syscall.SIGTERM)
		if !tc.again {
			if code := exit(t, c); code != 3 {
				t.Errorf("code %d", code)
			}
			continue
		}
		j.await("start", "SIGTERM", "end", "start")
		stop(t, c)
	}
}

func TestChildThatCannotBeStartedAnew(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "program")
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho start >> $LOG\nexec sleep 1000\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	j := newJournal(t)
	spec := j.program()
	spec.Args = []string{path}
	c := run(t, spec)
	j.await("start")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	c.Reload()
	if code := exit(t, c); code != NoCode {
		t.Errorf("code %d", code)
	}
}

func TestStopWhileItIsStartedAnew(t *testing.T) {
	t.Parallel()
	j := newJournal(t)
	var log bytes.Buffer // read when all has ended
	c, err := Start(t.Context(), j.program("LAST=5s"), slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	j.await("start")
	c.Reload()
	j.await("start", "SIGINT")
	stop(t, c)
	j.await("start", "SIGINT", "end")
	if starts := strings.Count(log.String(), "started the child"); starts != 1 {
		t.Errorf("%d starts:\n%s", starts, &log)
	}
}

func TestReloadDoesNotMoveTheOneToCome(t *testing.T) {
	t.Parallel()
	c := &Child{spec: Spec{Splay: time.Hour}}
	due := c.plan(nil)
	if due == nil || c.plan(due) != due {
		t.Error("a second reload moved the first one")
	}
}
