package render

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ctmpl/ctmpl/render/guard"
	"github.com/ctmpl/ctmpl/render/rollout"
	"github.com/ctmpl/ctmpl/watch"
)

// A guard keeps files from going live, not the reload of those that are live.
func TestWhatIsOwedIsTriedAgainWhileAGuardHolds(t *testing.T) {
	t.Parallel()
	t.Run("a command that fails", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			spec := b.guarded("out")
			spec.Hold, spec.Command = -1, b.noting("ran")
			b.start(Options{}, spec)
			defer b.stop()
			b.put(web(t), instances(4))
			b.settle()
			b.let("ran", true)
			b.put(web(t), instances(5))
			b.settle()
			b.put(web(t), instances(0))
			time.Sleep(10 * time.Second)
			b.settle()
			b.has("rollout held")
			if n := b.runs("ran"); n < 4 || n > 8 {
				t.Errorf("it ran %d times, want twice for the data, and then again and again, with back-off", n)
			}
			b.let("ran", false)
			runs := b.runs("ran")
			time.Sleep(24 * time.Hour)
			b.settle()
			if n := b.runs("ran") - runs; n != 1 {
				t.Errorf("it ran %d times once it could succeed", n)
			}
			b.expect("out", "xxxxx")
			if got := b.states(); !strings.HasPrefix(got, "out held the output would be empty") {
				t.Errorf("the state is %q", got)
			}
		})
	})
	t.Run("a driver that is not there", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b, d := newBench(t), &driver{tells: tells{reload: rollout.ErrNotRunning}}
			spec := b.guarded("out")
			spec.Hold, spec.Target = -1, TargetSpec{Driver: d, DriverKey: "driver"}
			b.start(Options{}, spec)
			defer b.stop()
			b.put(web(t), instances(4))
			b.settle()
			b.put(web(t), instances(0))
			b.settle()
			time.Sleep(time.Minute)
			b.settle()
			d.tell(tells{})
			before := d.counted().reloads
			time.Sleep(time.Hour)
			b.settle()
			if n := d.counted().reloads - before; n != 1 {
				t.Errorf("%d reloads when it was there", n)
			}
			b.expect("out", "xxxx")
		})
	})
}

// calmFor lets time pass in the engine's own steps, and gives how many there were. What is
// due is dealt with at once: if it is due still, the engine runs in circles.
func (b *bench) calmFor(d time.Duration) (steps int) {
	b.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); steps++ {
		until, flying := time.Duration(0), 0
		for round := 0; round < 3 || flying > 0; round++ {
			b.engine.do(b.t.Context(), func() { until, flying = b.engine.untilDue(), b.engine.flying })
		}
		if until <= 0 {
			b.t.Fatalf("something is due since %s\nlog: %s", -until, b.log)
		}
		time.Sleep(until)
	}
	return steps
}

// What cannot be done now is not looked at again and again.
func TestTheEngineDoesNotRunInCircles(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		shape func(*Spec)
		now   func(*bench, *driver)
		steps int    // the most in an hour, beside one each hour
		state string // how that begins
	}{
		{"held", nil, func(b *bench, d *driver) { b.put(web(b.t), instances(1)) }, 3, "out live"},
		{"held, and pinned then", nil, func(b *bench, d *driver) {
			b.put(web(b.t), instances(1))
			b.ask(AskRollback, "", 0)
		}, 2, "out pinned rolled back to good output 2"},
		{"pinned, and to be held", nil, func(b *bench, d *driver) {
			b.ask(AskRollback, "", 0)
			b.put(web(b.t), instances(1))
		}, 2, "out pinned rolled back to good output 2"},
		{"held, and a rollback that fails", nil, func(b *bench, d *driver) {
			b.put(web(b.t), instances(1))
			d.tell(tells{check: rollout.ErrKept})
			b.ask(AskRollback, "", 0)
			d.tell(tells{})
		}, 5, "out live"},
		{"pinned, and owed", nil, func(b *bench, d *driver) {
			d.tell(tells{reload: fmt.Errorf("driver %w", rollout.ErrNotRunning)})
			b.ask(AskRollback, "", 0)
		}, 3700, "out pinned rolled back to good output 2"},
		{"held, and owed", func(s *Spec) { s.Hold = -1 }, func(b *bench, d *driver) {
			d.tell(tells{reload: fmt.Errorf("driver %w", rollout.ErrNotRunning)})
			b.put(web(b.t), instances(9))
			b.settle()
			b.put(web(b.t), instances(1))
		}, 3700, "out held 8 of 9"},
		{"held, and then bounded", func(s *Spec) { s.Target.MinInterval = 30 * time.Minute }, func(b *bench, d *driver) {
			b.put(web(b.t), instances(1))
		}, 5, "out live"},
		{"held, and then busy", nil, func(b *bench, d *driver) {
			b.put(web(b.t), instances(1))
			d.tell(tells{busy: "9 workers are still draining"})
		}, 3100, "out "},
		{"bad", func(s *Spec) { s.Guard = nil }, func(b *bench, d *driver) {
			d.tell(tells{check: &rollout.BadError{Err: rollout.ErrKept}})
			b.put(web(b.t), instances(1))
		}, 2, "out failed check driver: goes on with what it had"},
		{"bad, and pinned then", func(s *Spec) { s.Guard = nil }, func(b *bench, d *driver) {
			d.tell(tells{check: &rollout.BadError{Err: rollout.ErrKept}})
			b.put(web(b.t), instances(1))
			b.settle()
			d.tell(tells{})
			b.ask(AskRollback, "", 0)
		}, 2, "out pinned rolled back to good output 2"},
		{"failed, and pinned then", func(s *Spec) { s.Guard = nil }, func(b *bench, d *driver) {
			d.tell(tells{reload: rollout.ErrKept})
			b.put(web(b.t), instances(1))
			b.settle()
			d.tell(tells{})
			b.ask(AskRollback, "", 0)
		}, 3, "out pinned rolled back to good output 2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b, d := newBench(t), &driver{}
				spec := b.driven("out", d)
				spec.Guard, spec.Hold = &guard.Limits{MaxShrink: 0.5, Window: time.Minute}, 10*time.Minute
				if tc.shape != nil {
					tc.shape(&spec)
				}
				b.start(Options{State: b.keep()}, spec)
				defer b.stop()
				for n := 4; n <= 6; n++ {
					b.put(web(t), instances(n))
					time.Sleep(spec.Target.MinInterval)
					b.settle()
				}
				tc.now(b, d)
				b.settle()
				if steps := b.calmFor(time.Hour); steps > tc.steps {
					t.Errorf("%d steps in an hour", steps)
				}
				if got := b.states(); !strings.HasPrefix(got, tc.state) {
					t.Errorf("the state is %q, want %q", got, tc.state)
				}
			})
		})
	}
}

// A command that fails for ever is tried at most once a minute.
func TestWhatFailsForEverIsTriedWithBackOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		spec := b.guarded("out")
		spec.Hold, spec.Command = -1, b.noting("ran")
		b.store.Put(web(t), instances(4))
		b.mkdir("ran.fail")
		b.start(Options{State: b.keep()}, spec)
		defer b.stop()
		b.put(web(t), instances(0))
		b.calmFor(time.Hour)
		b.settle()
		if n := b.runs("ran"); n < 40 || n > 130 { // with jitter, of half the wait
			t.Errorf("it ran %d times in an hour", n)
		}
		b.store.Doubt(web(t), watch.DoubtACL) // which has the guard look again, and nothing else
		runs := b.runs("ran")
		synctest.Wait()
		b.settle()
		if n := b.runs("ran"); n != runs {
			t.Errorf("it ran %d times more", n-runs)
		}
	})
}
