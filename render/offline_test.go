package render

import (
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ctmpl/ctmpl/render/rollout"
)

func TestAnOfflineRollbackThatFailsLeavesNoPin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, d := newBench(t), &driver{}
		b.start(Options{State: b.keep()}, b.driven("out", d))
		b.three()
		b.stop()
		b.remove("out")
		b.mkdir("out")
		record, err := b.keep().Open(b.path("out"))
		if err != nil {
			t.Fatal(err)
		}
		defer record.Close()
		if _, err := record.PutBack(0); err == nil {
			t.Error("no error")
		}
		b.unpinned("out")
	})
}

func TestAPlainRollbackThatFailsDoesNotLeaveTheOlderOutputLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		spec := b.spec("out", `{{ range service "web" }}x{{ end }}`)
		spec.Command = b.noting("ran")
		b.start(Options{State: b.keep()}, spec)
		defer b.stop()
		b.three()
		b.let("ran", true)
		b.ask(AskRollback, "", 0)
		b.let("ran", false)
		time.Sleep(time.Hour)
		b.settle()
		b.expectStates("out live")
		b.expect("out", "xxx")
	})
}

func TestWhatIsHeldAfterAFailureIsToldAsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, d := newBench(t), &driver{}
		spec := b.guarded("out")
		spec.Target = TargetSpec{Driver: d, DriverKey: "driver"}
		b.start(Options{}, spec)
		defer b.stop()
		b.put(web(t), instances(10))
		b.settle()
		d.tell(tells{check: &rollout.BadError{Err: rollout.ErrKept}})
		b.put(web(t), instances(9))
		b.settle()
		d.tell(tells{})
		b.put(web(t), instances(0))
		b.settle()
		b.has("rollout held")
		if got := b.states(); !strings.HasPrefix(got, "out held ") {
			t.Errorf("the state is %q", got)
		}
	})
}

func TestWhatIsApprovedAndWaitsIsNotToldAsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, d := newBench(t), &driver{}
		spec := b.guarded("out")
		spec.Target = TargetSpec{Driver: d, DriverKey: "driver"}
		b.start(Options{}, spec)
		defer b.stop()
		b.put(web(t), instances(10))
		b.settle()
		d.tell(tells{busy: "9 workers are still draining"})
		b.put(web(t), instances(0))
		b.settle()
		b.ask(AskApprove, "", 0)
		time.Sleep(time.Hour)
		b.settle()
		b.expectStates("out waiting 9 workers are still draining")
	})
}

func TestAPinMovesWithATargetThatIsRenamedInItsRollback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		spec, front := b.spec("out", `{{ range service "web" }}x{{ end }}`), b.spec("front", `{{ range service "web" }}x{{ end }}`)
		command, hold := b.held("held", 4)
		spec.Command, front.Command = command, command
		b.launch(Options{State: b.keep()}, spec)
		defer func() { b.stop() }()
		for n := 1; n <= 3; n++ {
			b.store.Put(web(t), instances(n))
			hold(n - 1)()
			b.settle()
		}
		reply := make(chan string, 1)
		go func() { reply <- b.ask(AskRollback, "", 0) }()
		letGo := hold(3)
		b.engine.Configure(t.Context(), []Spec{front, spec})
		letGo()
		<-reply
		b.settle()
		b.expectStates("front pinned rolled back to good output 2")
		b.stop()
		b.start(Options{State: b.keep()}, front, spec)
		b.settle()
		b.expect("out", "xx")
	})
}

func TestAPinDoesNotVanishWhenItsTemplateJoinsAnotherTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, here, there := newBench(t), &driver{}, &driver{}
		one, two := b.driven("one", here), b.driven("two", there)
		two.Target.DriverKey = "there"
		b.start(Options{State: b.keep()}, one, two)
		defer b.stop()
		b.three()
		b.ask(AskRollback, b.path("one"), 2)
		one.Target = two.Target
		b.engine.Configure(t.Context(), []Spec{two, one})
		b.put(web(t), instances(4))
		b.settle()
		b.expect("one", "xx")
		b.expectStates("two pinned rolled back to good output 2")
		b.unpinned("one")
	})
}

func TestAnOfflineRollbackDoesNotCompleteWhatWasCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		d := &taker{path: b.path("out")}
		spec, late := b.driven("out", &d.driver), b.driven("late", &d.driver)
		spec.Target.Driver, late.Target.Driver = d, d
		c := &crash{b: b, dir: t.TempDir(), at: 4, has: d.has}
		opt := Options{State: b.keep(), At: c.reached}
		b.start(opt, spec)
		b.three()
		c.armed.Store(true)
		b.engine.Configure(t.Context(), []Spec{spec, late})
		b.settle()
		c.armed.Store(false)
		t.Logf("killed after %s", c.points[c.at])
		b.stop()
		d.takes(c.had)
		c.offline(0)
		b.start(opt, spec, late)
		defer b.stop()
		time.Sleep(time.Minute)
		b.settle()
		b.expect("out", "xx")
		b.expect("late", "none")
		if d.has() != "xx" {
			t.Errorf("%q was reloaded last", d.has())
		}
	})
}

// offline rolls back what a crash has left, while nothing runs.
func (c *crash) offline(number int) {
	b := c.b
	for _, name := range []string{"out", "late", ".out.ctmpl-undo", "state"} {
		b.rm(name)
	}
	c.copy(c.dir, b.dir)
	record, err := b.keep().Open(b.path("out"))
	if err != nil {
		b.t.Fatal(err)
	}
	defer record.Close()
	if _, err := record.PutBack(number); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) rm(name string) {
	if err := os.RemoveAll(b.path(name)); err != nil {
		b.t.Fatal(err)
	}
}
