package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// steps are those at which a command is run.
var steps = []string{"check", "command", "verify"}

// stepScript is all of these commands: DIR/step.sh STEP does what DIR/STEP says, and the
// command reloads nginx.
const stepScript = `#!/bin/sh
if [ "$1" = command ]; then kill -HUP "$(cat DIR/nginx.pid)"; fi
how=$(cat DIR/$1)
case "$how" in
fail) echo "$1 says no"; exit 1;;
hang) trap "" TERM; echo $$ >> DIR/left; while :; do sleep 1; done;;
fork) sleep 1000 & echo $! >> DIR/left;;
print) head -c BYTES /dev/zero | tr "\0" x; exit 1;;
esac
`

// misbehave has the command of each step do something bad, one after the other. With
// harmless, the rollout succeeds all the same.
func misbehave(how string, harmless bool) func(*trial) error {
	return func(t *trial) error {
		timeout := "20s"
		if how == "hang" {
			timeout = "1s"
		}
		w, err := t.follow(options{before: writeSteps, rollout: stepCommands(timeout)})
		if err != nil {
			return err
		}
		var took, back times
		for _, step := range steps {
			d, b, err := w.misbehaves(step, how, harmless)
			if err != nil {
				return fmt.Errorf("%s at the step %s: %w", how, step, err)
			}
			took, back = append(took, d), append(back, b)
		}
		if !harmless {
			t.note("refused after %s", took)
		}
		t.note("end of the fault to all well %s", back)
		t.note("ctmpl's memory at most %d MB", w.daemon.peak()>>20)
		return w.alone()
	}
}

func stepCommands(timeout string) string {
	var b strings.Builder
	for _, step := range steps {
		fmt.Fprintf(&b, "%s = \"DIR/step.sh %s\"\n%s_timeout = %q\n", step, step, step, timeout)
	}
	return b.String()
}

func writeSteps(w *world) error {
	for _, step := range steps {
		if err := w.behave(step, "well"); err != nil {
			return err
		}
	}
	size := "100000000"
	if !w.full {
		size = "10000000" // the race detector makes it slow
	}
	script := strings.NewReplacer("DIR/", w.dir+"/", "BYTES", size).Replace(stepScript)
	return os.WriteFile(w.path("step.sh"), []byte(script), 0o755)
}

func (w *world) behave(step, how string) error {
	return os.WriteFile(w.path(step), []byte(how+"\n"), 0o644)
}

// misbehaves gives the time until the rollout was refused, if it is, and that from the
// end of it until all is well.
func (w *world) misbehaves(step, how string, harmless bool) (took, back time.Duration, err error) {
	if err := w.behave(step, how); err != nil {
		return 0, 0, err
	}
	if harmless {
		if err := w.next(""); err != nil {
			return 0, 0, err
		}
		back, err = w.settled()
		return 0, back, errors.Join(err, w.behave(step, "well"))
	}
	before, mark, start := w.now, w.daemon.log.mark(), time.Now()
	if err := w.inject(""); err != nil {
		return 0, 0, err
	}
	if err := w.logged(mark, "rollout failed"); err != nil {
		return 0, 0, err
	}
	took = time.Since(start)
	// A command that reloads, and fails then, may leave the new revision served until it
	// succeeds; the file is as before.
	if err := w.wait(func() error { return same(w.live(), before.file()) }); err != nil {
		return took, 0, err
	}
	if err := errors.Join(w.valid(), w.behave(step, "well"), w.next("")); err != nil {
		return took, 0, err
	}
	back, err = w.settled()
	return took, back, err
}

// peak is the most memory that ctmpl has had, in bytes.
func (d *daemon) peak() int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kilobytes, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kilobytes << 10
		}
	}
	return 0
}

// alone tells whether of the commands that took too long none is left. Those that
// commands have left behind on purpose are ended.
func (w *world) alone() error {
	text, _ := os.ReadFile(w.path("left"))
	var left []string
	for _, field := range strings.Fields(string(text)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			return err
		}
		command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		switch words := strings.ReplaceAll(string(command), "\x00", " "); {
		case err != nil:
		case strings.Contains(words, w.dir):
			left = append(left, words)
		case words == "sleep 1000 ":
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	if len(left) > 0 {
		return fmt.Errorf("still running: %s", strings.Join(left, ", "))
	}
	return nil
}
