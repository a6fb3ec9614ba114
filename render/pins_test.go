package render

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ctmpl/ctmpl/render/rollout"
)

// states gives how the targets are, a line each.
func (b *bench) states() string {
	var lines []string
	b.engine.do(b.t.Context(), func() {
		for _, t := range b.engine.targets {
			state, why := b.engine.stateOf(t)
			lines = append(lines, strings.TrimSpace(filepath.Base(t.label)+" "+state+" "+why))
		}
	})
	return strings.Join(lines, "\n")
}

func (b *bench) expectStates(want string) {
	b.t.Helper()
	if got := b.states(); got != want {
		b.t.Errorf("the states are %q, want %q\nlog: %s", got, want, b.log)
	}
}

// unpinned checks that no pin is kept on disk for a file.
func (b *bench) unpinned(name string) {
	b.t.Helper()
	if _, err := os.Stat(filepath.Join(b.keep().Path(b.path(name)), "pin.json")); err == nil {
		b.t.Errorf("a pin of %s is kept", name)
	}
}

// three gives a target its good outputs 1 to 3, of as many instances.
func (b *bench) three() {
	b.t.Helper()
	for n := 1; n <= 3; n++ {
		b.put(web(b.t), instances(n))
		b.settle()
	}
}

// let makes the command of noting fail from now on, or succeed.
func (b *bench) let(file string, fail bool) {
	b.t.Helper()
	if !fail {
		b.remove(file + ".fail")
	} else if err := os.WriteFile(b.path(file+".fail"), nil, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// runs is how often the command of noting has run.
func (b *bench) runs(file string) int { return strings.Count(b.read(file), "ran\n") }

// Tests in which a record is opened a second time are not parallel: a process that another
// test starts has the lock, too, until it is the program that it is to be, and in virtual
// time nobody waits for that.

func TestARollbackThatFailsLeavesNoPin(t *testing.T) {
	for name, told := range map[string]tells{
		"a check":                        {check: errors.New("broken")},
		"a check, and the files are bad": {check: &rollout.BadError{Err: errors.New("broken")}},
		"a reload":                       {reload: errors.New("broken")},
		"a reload that was not followed": {reload: fmt.Errorf("broken: %w", rollout.ErrKept)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, d := newBench(t), &driver{}
				b.start(Options{State: b.keep()}, b.driven("out", d))
				defer func() { b.stop() }()
				b.three()
				d.tell(told)
				if got := b.ask(AskRollback, "", 0); !strings.Contains(got, "error: rolling back to good output 2 failed") {
					t.Error(got)
				}
				b.expect("out", "xxx")
				b.unpinned("out")
				d.tell(tells{})
				b.put(web(t), instances(5))
				b.settle()
				b.expect("out", "xxxxx")
				time.Sleep(time.Hour)
				b.expectStates("out live")
				b.stop()
				b.start(Options{State: b.keep()}, b.driven("out", d))
				b.put(web(t), instances(4))
				b.settle()
				b.expect("out", "xxxx")
			})
		})
	}
}

// Of a plain target there is nothing to undo: its command is owed then.
func TestTheCommandOfARollbackIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		spec := b.spec("out", `{{ range service "web" }}x{{ end }}`)
		spec.Command = b.noting("ran")
		b.start(Options{State: b.keep()}, spec)
		defer b.stop()
		b.three()
		b.let("ran", true)
		if got := b.ask(AskRollback, "", 0); !strings.Contains(got, "failed: reload") {
			t.Error(got)
		}
		b.unpinned("out")
		time.Sleep(10 * time.Second)
		b.settle()
		if n := b.runs("ran"); n < 6 || n > 10 {
			t.Errorf("it ran %d times, want 3 times for the data, and for the rollback again and again, with back-off", n)
		}
		b.let("ran", false)
		time.Sleep(2 * time.Minute)
		b.settle()
		runs := b.runs("ran")
		time.Sleep(time.Hour)
		b.settle()
		if n := b.runs("ran"); n != runs {
			t.Errorf("it ran %d times more after it had succeeded", n-runs)
		}
		b.calm()
		b.put(web(t), instances(5))
		b.settle()
		b.expect("out", "xxxxx")
		b.expectStates("out live")
	})
}

// What a target owes does not wait for its release.
func TestWhatIsOwedIsTriedAgainWhilePinned(t *testing.T) {
	t.Run("brought by another template", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			spec, late := b.spec("out", `{{ range service "web" }}x{{ end }}`), b.spec("late", `late`)
			spec.Command, late.Command = b.noting("ran"), rollout.Command{Args: []string{"exit 1; "}}
			b.start(Options{State: b.keep()}, spec, late)
			defer b.stop()
			b.three()
			b.ask(AskRollback, b.path("out"), 0)
			b.let("ran", true)
			late.Command = spec.Command
			b.engine.Configure(t.Context(), []Spec{spec, late})
			b.put(web(t), instances(5))
			time.Sleep(10 * time.Second)
			b.settle()
			if n := b.runs("ran"); n < 6 {
				t.Errorf("it ran %d times", n)
			}
			b.let("ran", false)
			runs := b.runs("ran")
			time.Sleep(2 * time.Minute)
			b.settle()
			if n := b.runs("ran"); n != runs+1 {
				t.Errorf("it ran %d times once it could succeed", n-runs)
			}
			b.expect("out", "xx")
			b.expectStates("out pinned rolled back to good output 2")
			b.calm()
		})
	})
	t.Run("of a driver that was not there", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b, d := newBench(t), &driver{}
			b.start(Options{State: b.keep()}, b.driven("out", d))
			defer b.stop()
			b.three()
			d.tell(tells{reload: fmt.Errorf("driver %w", rollout.ErrNotRunning)})
			if got := b.ask(AskRollback, "", 0); got != "rolled back to good output 2: it stays until it is released; driver is not running" {
				t.Error(got)
			}
			time.Sleep(time.Minute)
			b.settle()
			d.tell(tells{})
			before := d.counted().reloads
			time.Sleep(time.Hour)
			b.settle()
			if n := d.counted().reloads - before; n != 1 {
				t.Errorf("%d reloads when it was there", n)
			}
			b.expect("out", "xx")
		})
	})
	t.Run("of a file that was changed by hand", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b, d := newBench(t), &driver{tells: tells{reload: rollout.ErrNotRunning}}
			spec := b.driven("out", d)
			spec.Target.OnDrift = DriftKeep
			b.start(Options{State: b.keep()}, spec)
			b.put(web(t), instances(1))
			b.settle()
			b.stop()
			if err := os.WriteFile(b.path("out"), []byte("edited"), 0o644); err != nil {
				t.Fatal(err)
			}
			d.tell(tells{})
			before := d.counted().reloads
			b.start(Options{State: b.keep()}, spec)
			defer b.stop()
			time.Sleep(time.Hour)
			b.settle()
			b.expect("out", "edited")
			if n := d.counted().reloads - before; n != 1 {
				t.Errorf("%d reloads", n)
			}
		})
	})
}
