package child

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestExitCodes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		args []string
		want int
	}{
		{[]string{"true"}, 0},
		{[]string{"false"}, 1},
		{[]string{"exit 7"}, 7},
		{[]string{"sh", "-c", "exit 8"}, 8},
		{[]string{"kill -9 $$; true"}, 128 + 9},
		{[]string{"kill -TERM $$; true"}, 128 + 15},
		{[]string{"no-such-program with arguments"}, 127},
	} {
		spec := Spec{Args: tc.args, Env: os.Environ(), Stderr: file(t, "")}
		if got := exit(t, run(t, spec)); got != tc.want {
			t.Errorf("%q: code %d, want %d", tc.args, got, tc.want)
		}
	}
}

func TestStartErrors(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	plain := file(t, "no program").Name()
	for _, tc := range []struct {
		ctx  context.Context
		args []string
		want error
	}{
		{t.Context(), []string{"/no/such/program"}, fs.ErrNotExist},
		{t.Context(), []string{"no-such-program"}, exec.ErrNotFound},
		{t.Context(), []string{plain}, fs.ErrPermission},
		{t.Context(), nil, errNoCommand},
		{t.Context(), []string{" "}, errNoCommand},
		{ended, []string{"true"}, context.Canceled},
	} {
		if _, err := Start(tc.ctx, Spec{Args: tc.args}, quiet); !errors.Is(err, tc.want) {
			t.Errorf("%q: got %v, want %v", tc.args, err, tc.want)
		}
	}
}

func TestChildHasStreamsAndEnvironmentAsTheyAre(t *testing.T) {
	t.Parallel()
	out, errs := file(t, ""), file(t, "")
	spec := Spec{
		Args: []string{`read line; echo "$line $NAME"; echo err >&2; test -f /dev/stdout -a -f /dev/stdin; exit $?`},
		Env:  []string{"NAME=value", "PATH=" + os.Getenv("PATH")}, Stdin: file(t, "typed\n"), Stdout: out, Stderr: errs,
	}
	if code := exit(t, run(t, spec)); code != 0 {
		t.Errorf("code %d: the streams are not the files themselves", code)
	}
	for f, want := range map[*os.File]string{out: "typed value\n", errs: "err\n"} {
		if got, err := os.ReadFile(f.Name()); string(got) != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
}

func TestEndOfTheContextStops(t *testing.T) {
	t.Parallel()
	j := newJournal(t)
	ctx, cancel := context.WithCancel(t.Context())
	c, err := Start(ctx, j.program(), quiet)
	if err != nil {
		t.Fatal(err)
	}
	j.await("start")
	cancel()
	j.await("start", "SIGINT", "end")
	stop(t, c)
}

func TestKillSignals(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		kill syscall.Signal
		env  string
		want []string
	}{
		{0, "", []string{"start", "SIGINT", "end"}},
		{syscall.SIGTERM, "", []string{"start", "SIGTERM", "end"}},
		{syscall.SIGQUIT, "", []string{"start", "SIGQUIT"}}, // and is killed
		{syscall.SIGINT, "IGNORE=SIGINT", []string{"start"}},
		{NoSignal, "", []string{"start"}},
	} {
		j := newJournal(t)
		spec := j.program(tc.env)
		spec.KillSignal = tc.kill
		if !slices.Contains(tc.want, "end") {
			spec.KillTimeout = 2 * time.Second
		}
		c := run(t, spec)
		j.await("start")
		stop(t, c)
		j.await(tc.want...)
		pid, _ := j.started(0)
		gone(t, pid)
	}
}

func TestSignalsArePassedOn(t *testing.T) {
	t.Parallel()
	j := newJournal(t)
	c := run(t, j.program("END=SIGTERM"))
	want := []string{"start"}
	j.await(want...)
	for _, s := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGHUP, syscall.SIGWINCH, syscall.SIGQUIT, syscall.SIGTERM} {
		c.Signal(s)
		want = append(want, signalName(s))
		if s != syscall.SIGTERM {
			j.await(want...)
		}
	}
	if code := exit(t, c); code != 3 {
		t.Errorf("code %d", code)
	}
	j.await(append(want, "end")...)
	c.Signal(syscall.SIGUSR1) // to nobody
	c.Reload()
	stop(t, c)
}

func TestKillSignalPassedOnEndsTheChildWithinItsTime(t *testing.T) {
	t.Parallel()
	for env, want := range map[string]int{"": 3, "IGNORE=SIGINT": 128 + 9} {
		j := newJournal(t)
		spec := j.program(env)
		if want != 3 {
			spec.KillTimeout = 200 * time.Millisecond
		}
		c := run(t, spec)
		j.await("start")
		c.Signal(syscall.SIGINT)
		if code := exit(t, c); code != want {
			t.Errorf("%s: code %d, want %d", env, code, want)
		}
	}
}

// TestEverythingAtOnce is for the race detector, and for processes that are left.
func TestEverythingAtOnce(t *testing.T) {
	t.Parallel()
	for i := range 20 {
		spec := Spec{Args: []string{"sleep 1000 & wait; exit 5"}, Env: os.Environ(), KillSignal: syscall.SIGTERM, KillTimeout: deadline}
		if i%2 == 0 {
			spec.ReloadSignal = syscall.SIGUSR1 // which ends the shell
		}
		c, err := Start(t.Context(), spec, quiet)
		if err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		for range 4 {
			group.Go(c.Reload)
			group.Go(func() { c.Signal(syscall.SIGUSR2) })
		}
		for range 3 {
			group.Go(c.Stop)
		}
		group.Wait()
		c.Stop()
		if len(c.exited) > 1 {
			t.Error("it ended more than once")
		}
	}
}
