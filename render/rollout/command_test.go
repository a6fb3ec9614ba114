package rollout

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
)

func TestCommandForms(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "out")
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"echo shell $((1+1)) \"$NAME\" > " + out}, "shell 2 value\n"},
		{[]string{"sh", "-c", "echo list > " + out}, "list\n"},
		{[]string{"touch", out}, ""},
	} {
		_ = os.Remove(out)
		c := Command{Args: tc.args, Env: []string{"NAME=value"}}
		if err := c.Run(t.Context()); err != nil {
			t.Errorf("%v: %v", tc.args, err)
		}
		if got := content(t, out); got != tc.want {
			t.Errorf("%v: got %q, want %q", tc.args, got, tc.want)
		}
	}
	if err := (Command{Args: []string{"true"}}).Run(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestCommandErrorsSayWhatItPrinted(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ command, want string }{
		{"echo to stdout; echo to stderr >&2; exit 3", "exit status 3"},
		{"echo to stdout; echo to stderr >&2; exit 3", "to stderr"},
		{"exit 1; ", "printed nothing"},
		{"/no/such/program", "no such file"},
		{"kill -9 $$ ", "signal: killed"},
	} {
		err := Command{Args: []string{tc.command}}.Run(t.Context())
		var failed *CommandError
		if !errors.As(err, &failed) || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want one line with %q", tc.command, err, tc.want)
		}
	}
}

func TestCommandOutputIsBounded(t *testing.T) {
	t.Parallel()
	err := Command{Args: []string{"head -c 3000000 /dev/zero | tr '\\0' x; echo the end; exit 1"}}.Run(t.Context())
	if err == nil || len(err.Error()) > outputMax+200 || !strings.HasSuffix(err.Error(), "the end") {
		t.Errorf("got %d bytes, ending in %.20q", len(err.Error()), err.Error()[len(err.Error())-20:])
	}
}

// alive tells whether a process exists that is not a zombie.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ") && syscall.Kill(pid, 0) == nil
}

func TestCommandThatTakesTooLongIsEndedWithItsChildren(t *testing.T) {
	t.Parallel()
	pids := filepath.Join(t.TempDir(), "pids")
	for name, script := range map[string]string{
		"which ends":     "sleep 1000 & echo $! > %[1]s; echo busy; wait",
		"which does not": "trap '' TERM; sh -c 'trap \"\" TERM; while :; do sleep 1000; done' & echo $! > %[1]s; echo busy; while :; do sleep 1; done",
	} {
		start := time.Now()
		err := Command{Args: []string{fmt.Sprintf(script, pids)}, Timeout: 5 * time.Second}.Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), "ended after 5s") || !strings.Contains(err.Error(), "busy") {
			t.Errorf("%s: got %v", name, err)
		}
		if took := time.Since(start); took > 40*time.Second {
			t.Errorf("%s: took %s", name, took)
		}
		child, err := strconv.Atoi(strings.TrimSpace(content(t, pids)))
		if err != nil {
			t.Fatal(err)
		}
		servers.Eventually(t, 30*time.Second, func() error {
			if alive(child) {
				return fmt.Errorf("%s: its child %d is still there", name, child)
			}
			return nil
		})
	}
}

func TestCommandMayLeaveADaemonBehind(t *testing.T) {
	t.Parallel()
	pids := filepath.Join(t.TempDir(), "pids")
	start := time.Now()
	if err := (Command{Args: []string{"sleep 1000 & echo $! > " + pids}}).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("waited %s for a child that holds the output", took)
	}
	child, err := strconv.Atoi(strings.TrimSpace(content(t, pids)))
	if err != nil {
		t.Fatal(err)
	}
	if !alive(child) {
		t.Error("the child is gone")
	}
	_ = syscall.Kill(child, syscall.SIGKILL)
}

// apply collects the outcomes of Apply.
func apply(ctx context.Context, changes ...Change) map[*Target]Outcome {
	out := map[*Target]Outcome{}
	Apply(ctx, changes, func(o Outcome) { out[o.Target] = o })
	return out
}

func TestApplyWritesAllFilesBeforeTheFirstCommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	command := func(name string) Command {
		return Command{Args: []string{fmt.Sprintf("cat %s/a %s/b > %s/%s", dir, dir, dir, name)}}
	}
	file := func(name string) []File {
		return []File{{Path: path(name), Content: []byte(name), UID: -1, GID: -1}}
	}
	out := apply(t.Context(), Change{Target: &Target{Log: quiet}, Plan: Plan{Commands: []Command{command("first")}}, Files: file("a")}, Change{Target: &Target{Log: quiet}, Plan: Plan{Commands: []Command{command("second")}}, Files: file("b")})
	if content(t, path("first")) != "ab" || content(t, path("second")) != "ab" {
		t.Errorf("first %q, second %q: %v", content(t, path("first")), content(t, path("second")), out)
	}
}

func TestApplyRunsNoCommandForHalfOfTheFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ran, bad := filepath.Join(dir, "ran"), filepath.Join(dir, "bad")
	if err := os.Mkdir(bad, 0o755); err != nil { // in the place of a file
		t.Fatal(err)
	}
	target, command := &Target{Log: quiet}, Command{Args: []string{"touch", ran}}
	files := []File{{Path: filepath.Join(dir, "good"), UID: -1, GID: -1}, {Path: bad, Content: []byte("x"), UID: -1, GID: -1}}
	for range 2 { // trying again changes nothing
		out := apply(t.Context(), Change{Target: target, Plan: Plan{Commands: []Command{command}}, Files: files})
		if len(out[target].Errs) != 1 || !target.Owes() {
			t.Errorf("got %+v, owes %v", out, target.Owes())
		}
		if _, err := os.Stat(ran); err == nil {
			t.Error("the command ran")
		}
		files = out[target].Unwritten
	}
	if err := os.Remove(bad); err != nil {
		t.Fatal(err)
	}
	out := apply(t.Context(), Change{Target: target, Plan: Plan{Commands: []Command{command}}, Files: files})
	if _, err := os.Stat(ran); err != nil || target.Owes() || len(out[target].Errs) > 0 || content(t, bad) != "x" {
		t.Errorf("what is owed was not done: %v, %+v", err, out)
	}
}

func TestApplyFinishesWhatItBeganWhenItIsToStop(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	finished := filepath.Join(dir, "finished")
	file := []File{{Path: filepath.Join(dir, "f"), UID: -1, GID: -1}}
	apply(ctx, Change{Target: &Target{Log: quiet}, Plan: Plan{Commands: []Command{Command{Args: []string{"touch", finished}}}}, Files: file})
	if _, err := os.Stat(finished); err != nil {
		t.Error("a file was written and its command did not run")
	}
}
