package render

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ctmpl/ctmpl/render/guard"
	"github.com/ctmpl/ctmpl/render/rollout"
	"github.com/ctmpl/ctmpl/watch"
)

// heldAnew checks that a shrink which comes now is held for as long as one is, and then
// goes live.
func (b *bench) heldAnew(spec Spec, live string) {
	b.t.Helper()
	b.put(web(b.t), instances(0))
	b.settle()
	b.expect("out", live)
	b.has("until=" + time.Now().Add(spec.Hold).Format(time.TimeOnly))
	time.Sleep(spec.Hold - time.Minute)
	b.settle()
	b.expect("out", live)
	time.Sleep(time.Minute)
	b.settle()
	b.expect("out", "")
	b.expectStates("out live")
}

// What was approved, or whose time is up, may fail all the same. That is the end of it: what
// comes a day later was not approved.
func TestAnApprovalDoesNotOutliveWhatWasApproved(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		tells tells // when it goes live
		out   string
		state string // then
	}{
		{"it goes live", tells{}, "xxxx", "out live"},
		{"it is bad", tells{check: &rollout.BadError{Err: rollout.ErrKept}}, "xxxxxxxxxx", "out failed check driver: goes on with what it had"},
		{"nobody is there", tells{reload: fmt.Errorf("driver %w", rollout.ErrNotRunning)}, "xxxx", "out waiting driver is not running"},
	} {
		for how, approve := range map[string]func(*bench){
			"approved":       func(b *bench) { b.ask(AskApprove, "", 0) },
			"its time is up": func(*bench) { time.Sleep(10 * time.Minute) },
		} {
			t.Run(tc.name+", "+how, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					b, d := newBench(t), &driver{}
					spec := b.guarded("out")
					spec.Target = TargetSpec{Driver: d, DriverKey: "driver"}
					b.start(Options{}, spec)
					defer b.stop()
					b.put(web(t), instances(10))
					b.settle()
					b.put(web(t), instances(4))
					b.settle()
					d.tell(tc.tells)
					approve(b)
					b.settle()
					b.expect("out", tc.out)
					b.expectStates(tc.state)
					time.Sleep(time.Hour)
					b.settle()
					d.tell(tells{}) // also when it is there again
					time.Sleep(24 * time.Hour)
					b.settle()
					b.heldAnew(spec, tc.out)
				})
			})
		}
	}
}

// What was approved and failed for a reason that passes is not held again for the same.
func TestAnApprovalLastsWhileItIsTried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, d := newBench(t), &driver{}
		spec := b.guarded("out")
		spec.Target = TargetSpec{Driver: d, DriverKey: "driver"}
		b.start(Options{}, spec)
		defer b.stop()
		b.put(web(t), instances(10))
		b.settle()
		b.put(web(t), instances(4))
		b.settle()
		d.tell(tells{reload: fmt.Errorf("port taken: %w", rollout.ErrKept)})
		b.ask(AskApprove, "", 0)
		time.Sleep(2 * time.Minute)
		b.settle()
		b.expect("out", "xxxxxxxxxx")
		d.tell(tells{})
		time.Sleep(2 * time.Minute)
		b.settle()
		b.expect("out", "xxxx")
		b.count("rollout held", 1)
		b.put(web(t), instances(3)) // what was approved is the measure
		b.settle()
		b.expect("out", "xxx")
	})
}

// Newer data is not what was approved, though that is tried again still.
func TestAnApprovalIsNotForNewerData(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, d := newBench(t), &driver{}
		spec := b.guarded("out")
		spec.Target = TargetSpec{Driver: d, DriverKey: "driver"}
		b.start(Options{}, spec)
		defer b.stop()
		b.put(web(t), instances(10))
		b.settle()
		b.put(web(t), instances(4))
		b.settle()
		d.tell(tells{reload: fmt.Errorf("port taken: %w", rollout.ErrKept)})
		b.ask(AskApprove, "", 0)
		b.settle()
		d.tell(tells{})
		b.heldAnew(spec, "xxxxxxxxxx")
		b.count("rollout held", 2)
	})
}

// What is held, and gone when its template is, is not approved with the next one.
func TestWhatIsHeldEndsWithItsTemplate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		one, two := b.guarded("one"), b.spec("two", `{{ key "a" }}`)
		two.Guard, one.Hold, two.Hold = &guard.Limits{}, -1, -1
		one.Target, two.Target = TargetSpec{Group: "g"}, TargetSpec{Group: "g"}
		b.store.Put(keyQuery("a"), "full")
		b.start(Options{}, one, two)
		defer b.stop()
		b.put(web(t), instances(4))
		b.settle()
		b.put(web(t), instances(0))
		b.settle()
		b.engine.Configure(t.Context(), []Spec{two})
		b.settle()
		b.expectStates("g live")
		if got := b.ask(AskApprove, "", 0); got != "nothing is held" {
			t.Errorf("got %q", got)
		}
		b.put(keyQuery("a"), "")
		b.settle()
		b.expect("two", "full")
		b.expectStates("g held the output would be empty")
	})
}

// A token of few rights never sees all of a list. That is no news after a restart, either.
func TestAStandingDoubtIsKnownAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		spec := b.spec("out", `{{ range services }}{{ .Name }} {{ end }}`)
		spec.Guard, spec.Hold = &guard.Limits{}, -1
		start := func(names ...string) {
			b.store = watch.NewStore()
			b.store.Doubt(servicesQuery, watch.DoubtACL)
			b.store.Put(servicesQuery, services(names...))
			b.start(Options{State: b.keep()}, spec)
			b.settle()
		}
		start("a", "b", "c", "d")
		b.expect("out", "a b c d ")
		b.put(servicesQuery, services("a", "b", "c"))
		b.settle()
		b.expect("out", "a b c ")
		b.stop()
		start("a", "b")
		b.expect("out", "a b ")
		b.put(servicesQuery, services("a"))
		b.settle()
		b.expect("out", "a ")
		b.stop()
		start() // that nothing is left is news
		defer b.stop()
		b.expect("out", "a ")
		b.has("results were filtered by ACLs: services 1 → 0")
	})
	synctest.Test(t, func(t *testing.T) { // a doubt that was not there before is news
		b := newBench(t)
		spec := b.spec("out", `{{ range services }}{{ .Name }} {{ end }}`)
		spec.Guard, spec.Hold = &guard.Limits{}, -1
		b.store.Put(servicesQuery, services("a", "b", "c"))
		b.start(Options{State: b.keep()}, spec)
		b.settle()
		b.stop()
		b.store = watch.NewStore()
		b.store.Doubt(servicesQuery, watch.DoubtACL)
		b.store.Put(servicesQuery, services("a", "b"))
		b.start(Options{State: b.keep()}, spec)
		defer b.stop()
		b.settle()
		b.expect("out", "a b c ")
	})
}
