package render

import (
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ctmpl/ctmpl/render/rollout"
)

// The undo of a template that is gone must not overwrite what took its place.
func TestAnUndoDoesNotOverwriteAnotherTemplate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		old, bad, good := b.spec("out", "first"), b.spec("out", "second"), b.spec("out", "third")
		old.Command = rollout.Command{Args: []string{"true"}}
		bad.Command = old.Command
		verify, hold := b.held("held", 1)
		verify.Args[0] += "; exit 1"
		bad.Verify, good.Command = verify, b.noting("ran")
		b.start(Options{State: b.keep()}, old)
		defer b.stop()
		b.expect("out", "first")
		b.engine.Configure(t.Context(), []Spec{bad})
		letGo := hold(0)
		b.expect("out", "second")
		b.engine.Configure(t.Context(), []Spec{good})
		b.engine.do(t.Context(), func() {}) // it has had its turn
		b.expect("ran", "none")
		letGo()
		b.settle()
		b.expect("out", "third")
		b.expect("ran", "ran\n")
		time.Sleep(time.Hour)
		b.settle()
		b.expect("out", "third")
		b.expectStates("out live")
		b.calm()
	})
}

// The verdict of a check that has been corrected meanwhile says nothing.
func TestACheckThatIsCorrectedWhileItRunsIsTried(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"with", "without"} {
		t.Run(state+" a state directory", func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				var opt Options
				if state == "with" {
					opt.State = b.keep()
				}
				spec := b.spec("out", "1")
				check, hold := b.held("held", 1)
				check.Args[0] += "; exit 1"
				spec.Check = check
				b.launch(opt, spec)
				defer b.stop()
				letGo := hold(0)
				spec.Check = rollout.Command{Args: []string{"true"}}
				b.engine.Configure(t.Context(), []Spec{spec})
				letGo()
				time.Sleep(2 * time.Minute)
				b.settle()
				b.expect("out", "1")
				b.expectStates("out live")
			})
		})
	}
}

// A target whose command is replaced while it runs has another target follow it, under the
// same name: there is one record of both, which the new one has when the old one has ended.
func TestATargetThatFollowsAnotherKeepsItsRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		spec := b.spec("out", `{{ range service "web" }}x{{ end }}`)
		command, hold := b.held("held", 1)
		spec.Command = command
		b.store.Put(web(t), instances(1))
		b.launch(Options{State: b.keep()}, spec)
		defer b.stop()
		letGo := hold(0)
		spec.Command = b.noting("ran")
		b.engine.Configure(t.Context(), []Spec{spec})
		letGo()
		b.settle()
		b.expect("ran", "ran\n") // it may have been meant for the same files
		b.put(web(t), instances(2))
		b.settle()
		b.put(web(t), instances(3))
		b.settle()
		b.count("no good output is kept", 0)
		if got := b.ask(AskRollback, b.path("out"), 0); !strings.HasPrefix(got, "rolled back to good output 2") {
			t.Error(got)
		}
		b.expect("out", "xx")
		b.expectStates("out pinned rolled back to good output 2")
	})
}

// A target whose name changes, since a template was put in front, stays as it is pinned.
func TestAPinMovesWithItsTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, d := newBench(t), &driver{}
		spec, front := b.driven("out", d), b.driven("front", d)
		b.start(Options{State: b.keep()}, spec)
		defer func() { b.stop() }()
		b.three()
		b.ask(AskRollback, b.path("out"), 0)
		both := []Spec{front, spec}
		b.engine.Configure(t.Context(), both)
		b.put(web(t), instances(5))
		b.settle()
		b.expect("out", "xx")
		b.expect("front", "none")
		b.expectStates("front pinned rolled back to good output 2")
		b.unpinned("out") // nobody would release it there
		b.stop()
		b.start(Options{State: b.keep()}, both...)
		b.settle()
		b.expect("out", "xx")
		if got := b.ask(AskRelease, b.path("front"), 0); got != "released" {
			t.Error(got)
		}
		b.settle()
		b.expect("out", "xxxxx")
		b.expect("front", "xxxxx")
		b.expectStates("front live")
	})
}

// Two targets whose templates are exchanged have each other's names.
func TestTwoTargetsExchangeTheirNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, here, there := newBench(t), &driver{}, &driver{}
		one, two := b.driven("one", here), b.driven("two", there)
		two.Target.DriverKey = "there"
		b.start(Options{State: b.keep()}, one, two)
		defer func() { b.stop() }()
		b.three()
		one.Target, two.Target = two.Target, one.Target
		b.engine.Configure(t.Context(), []Spec{one, two})
		b.settle()
		b.put(web(t), instances(4))
		b.settle()
		b.count("no good output is kept", 0)
		b.expectStates("one live\ntwo live")
		for _, name := range []string{"one", "two"} {
			b.expect(name, "xxxx")
			if got := b.ask(AskRollback, b.path(name), 2); !strings.HasPrefix(got, "rolled back to good output 2") {
				t.Errorf("%s: %s", name, got)
			}
			b.expect(name, "xx") // not the other one
		}
		before := b.log.String()
		b.stop()
		b.start(Options{State: b.keep()}, one, two)
		b.put(web(t), instances(5))
		b.settle()
		b.expectStates("one pinned rolled back to good output 2\ntwo pinned rolled back to good output 2")
		if strings.Contains(strings.TrimPrefix(b.log.String(), before), "somebody else") {
			t.Error("somebody is said to have changed them")
		}
	})
}

// Of two templates of one target the strictest bounds count, whichever comes first.
func TestTheStrictestBoundsOfATargetCount(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		one, two func(*TargetSpec)
		want     int // reloads for a change every second, for two minutes
	}{
		{"interval", func(s *TargetSpec) { s.MinInterval = 10 * time.Second }, func(s *TargetSpec) { s.MinInterval = 30 * time.Second }, 5},
		{"per minute", func(s *TargetSpec) { s.MaxPerMinute = 30 }, func(s *TargetSpec) { s.MaxPerMinute = 6 }, 6 + 12},
		{"one has none", func(*TargetSpec) {}, func(s *TargetSpec) { s.MaxPerMinute = 6 }, 6 + 12},
		{"one of each", func(s *TargetSpec) { s.MaxPerMinute = 30 }, func(s *TargetSpec) { s.MinInterval = 30 * time.Second }, 5},
	} {
		for _, order := range []string{"first", "second"} {
			t.Run(tc.name+", the "+order+" is stricter", func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					b, d := newBench(t), &driver{}
					one, two := b.driven("one", d), b.driven("two", d)
					tc.one(&one.Target)
					tc.two(&two.Target)
					specs := []Spec{one, two}
					if order == "first" {
						specs = []Spec{two, one}
					}
					b.start(Options{}, specs...)
					defer b.stop()
					for i := range 121 {
						b.put(web(t), instances(i%7+1))
						time.Sleep(time.Second)
					}
					if n := d.counted().reloads; n != tc.want {
						t.Errorf("%d reloads, want %d", n, tc.want)
					}
				})
			})
		}
	}
}

// on_drift of any template of a target counts for all of its files: the strictest one.
func TestTheStrictestDriftOfATargetCounts(t *testing.T) {
	t.Parallel()
	for _, order := range []string{"first", "second"} {
		t.Run("the "+order+" is stricter", func(t *testing.T) {
			t.Parallel()
			b, d := newBench(t), &driver{}
			one, two := b.driven("one", d), b.driven("two", d)
			b.store.Put(web(t), instances(1))
			one.Target.OnDrift, two.Target.OnDrift = DriftKeep, DriftRefuse
			specs := []Spec{one, two}
			if order == "first" {
				specs = []Spec{two, one}
			}
			if err := b.onceIn(b.keep(), specs...); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(b.path("one"), []byte("edited"), 0o644); err != nil {
				t.Fatal(err)
			}
			engine, err := New(specs, Options{State: b.keep(), Store: b.store})
			if engine != nil || err == nil || !strings.Contains(err.Error(), b.path("one")+" has another content") || !strings.Contains(err.Error(), "on_drift says to refuse that") {
				t.Errorf("got %v, %v", engine, err)
			}
			b.expect("one", "edited")
		})
	}
}
