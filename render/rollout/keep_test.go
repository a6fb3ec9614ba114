package rollout

import (
	"context"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"
)

// often changes the files of a plain target many times a second: the first outputs are kept at once,
// these are not yet.
func often(t *testing.T, plan Plan, contents ...string) *rig {
	r := newRig(t)
	r.plan = plan
	for _, c := range append([]string{"zero", "nil", "none"}[:keepBurst], contents...) {
		if out := r.roll(c); len(out.Errs) > 0 {
			t.Fatal(out.Errs)
		}
	}
	if last := r.target.Record.Last(); last == nil || last.Number != keepBurst {
		t.Fatalf("kept: %+v", last)
	}
	return r
}

func TestAGoodOutputIsKeptOnceASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := often(t, Plan{}, "one", "two")
		time.Sleep(keepEach / 10)
		r.roll("three")
		if wait := time.Until(r.target.KeepDue()); wait != keepEach*9/10 {
			t.Errorf("kept in %s", wait)
		}
		time.Sleep(time.Until(r.target.KeepDue()))
		r.roll("")
		if r.good("three a", "three b"); r.target.Record.Last().Number != keepBurst+1 || !r.target.KeepDue().IsZero() {
			t.Errorf("kept: %+v, due %s", r.target.Record.Last(), r.target.KeepDue())
		}
		if p, err := r.target.Record.unfinished(); p != nil || err != nil {
			t.Errorf("under way: %+v, %v", p, err)
		}
	})
}

func TestWhatIsNotKeptYetIsKeptWhenTheRecordIsClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := often(t, Plan{}, "one", "two")
		r.target.Keep()
		r.reopen()
		r.good("two a", "two b")
	})
}

// After a kill nothing is owed that was not, and nobody else is blamed.
func TestAKillBeforeAGoodOutputIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := often(t, Plan{}, "one", "two", "three")
		r.reopen()
		both := []string{r.path("a"), r.path("b")}
		r.target.Recover(both)
		if drift := r.target.Drift(both); len(drift) > 0 || r.target.Owes() {
			t.Errorf("drift: %q, owes %v", drift, r.target.Owes())
		}
		r.roll("three")
		r.good("three a", "three b")
	})
}

// What was good before something failed is there to go back to.
func TestWhatWasGoodBeforeAFailureIsKept(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(r *rig){
		"command": func(r *rig) { r.plan.Commands[0].Args = []string{"false"} },
		"file": func(r *rig) {
			_ = os.Remove(r.path("b"))
			_ = os.Mkdir(r.path("b"), 0o755)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.plan = Plan{Commands: []Command{{Args: []string{"true"}}}}
			r.target.keeps = rate.NewLimiter(0, 1) // however slow the machine is
			for _, c := range []string{"one", "two"} {
				if out := r.roll(c); len(out.Errs) > 0 {
					t.Fatal(out.Errs)
				}
			}
			fail(r)
			if out := apply(context.Background(), Change{Target: r.target, Plan: r.plan, Files: r.files("three"), Templates: []string{r.path("a"), r.path("b")}})[r.target]; len(out.Errs) == 0 {
				t.Fatal("it has not failed")
			}
			files, err := r.target.Record.Restore(r.target.Record.Last().Number)
			if err != nil || len(files) != 2 || string(files[0].Content) != "two a" || !r.target.KeepDue().IsZero() {
				t.Errorf("kept %+v, %v; due %s", files, err, r.target.KeepDue())
			}
			r.reopen() // after a kill
			both := []string{r.path("a"), r.path("b")}
			r.target.Recover(both)
			if drift := r.target.Drift(both); len(drift) > 0 || !r.target.Owes() {
				t.Errorf("drift: %q, owes %v", drift, r.target.Owes())
			}
		})
	}
}
