package render

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ctmpl/ctmpl/render/guard"
	"github.com/ctmpl/ctmpl/render/rollout"
	"github.com/ctmpl/ctmpl/watch"
)

// web is the query of the template of guarded, and instances its answer.
func web(t *testing.T) watch.Query { return service(t, "web") }

func instances(n int) []*watch.ServiceInstance {
	var list []*watch.ServiceInstance
	for i := range n {
		list = append(list, &watch.ServiceInstance{ID: fmt.Sprintf("web-%d", i), Address: "10.0.0.1", Port: 8000 + i})
	}
	return list
}

// guarded is a template that prints how many instances there are.
func (b *bench) guarded(name string) Spec {
	spec := b.spec(name, `{{ range service "web" }}x{{ end }}`)
	spec.Guard, spec.Hold = &guard.Limits{MinInstances: 1, MaxShrink: 0.5, Window: time.Minute}, 10*time.Minute
	return spec
}

// keep gives the bench a directory for good outputs.
func (b *bench) keep() *rollout.State {
	return &rollout.State{Dir: filepath.Join(b.dir, "state"), Keep: 3}
}

func (b *bench) has(text string) {
	b.t.Helper()
	if !strings.Contains(b.log.String(), text) {
		b.t.Errorf("not in the log: %q\n%s", text, b.log)
	}
}

func (b *bench) count(text string, want int) {
	b.t.Helper()
	if got := strings.Count(b.log.String(), text); got != want {
		b.t.Errorf("%d times in the log, want %d: %q\n%s", got, want, text, b.log)
	}
}

func TestAGuardHoldsUntilItsTimeIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.start(Options{}, b.guarded("out"), b.spec("other", `{{ len (service "web") }}`))
		defer b.stop()
		b.put(web(t), instances(4))
		b.settle()
		b.expect("out", "xxxx")
		b.put(web(t), instances(1))
		b.settle()
		b.expect("out", "xxxx")
		b.expect("other", "1") // has no guard
		b.count("rollout held", 1)
		b.has("3 of 4 instances would vanish")
		b.has("web 4 → 1")
		time.Sleep(9 * time.Minute)
		b.put(web(t), instances(0))
		b.settle()
		b.expect("out", "xxxx")
		time.Sleep(time.Minute)
		b.settle()
		b.expect("out", "")
		b.has("its time is up")
	})
}

func TestAGuardLetsGoWhenTheDataRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		spec := b.guarded("out")
		spec.Hold = -1
		b.start(Options{}, spec)
		defer b.stop()
		b.put(web(t), instances(4))
		b.settle()
		b.put(web(t), instances(0))
		time.Sleep(24 * time.Hour)
		b.expect("out", "xxxx")
		b.put(web(t), instances(3))
		b.settle()
		b.expect("out", "xxx")
		b.has("the data has recovered")
		b.put(web(t), instances(0)) // and it holds again
		b.settle()
		b.expect("out", "xxx")
		b.count("rollout held", 2)
	})
}

func TestWhatIsHeldCanBeApproved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.start(Options{}, b.guarded("out"))
		defer b.stop()
		b.put(web(t), instances(8))
		b.settle()
		b.put(web(t), instances(2))
		b.settle()
		b.ask(AskApprove, "", 0)
		b.settle()
		b.expect("out", "xx")
		b.has("approved")
		b.put(web(t), instances(1)) // half of what was approved: no reason to hold
		b.settle()
		b.expect("out", "x")
		if got := b.ask(AskApprove, "", 0); got != "nothing is held" {
			t.Errorf("got %q", got)
		}
		b.put(web(t), instances(0)) // an approval is for once
		b.settle()
		b.expect("out", "x")
	})
}

// ask asks the engine for something and gives the reply, or the error.
func (b *bench) ask(what, name string, number int) string {
	replies := make(chan string, 10)
	if !b.engine.Ask(context.Background(), what, name, number, func(text string, err error) {
		if err != nil {
			text = "error: " + err.Error()
		}
		replies <- text
	}) {
		return "no such target"
	}
	return <-replies
}

func TestAnAnswerInDoubtDoesNotEmptyAFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		spec := b.guarded("out")
		spec.Guard = &guard.Limits{AllowEmpty: true}
		b.start(Options{}, spec)
		defer b.stop()
		b.put(web(t), instances(2))
		b.settle()
		b.store.Doubt(web(t), watch.DoubtACL)
		b.put(web(t), instances(0))
		b.settle()
		b.expect("out", "xx")
		b.has("not to be trusted")
		b.store.Doubt(web(t), "")
		synctest.Wait()
		b.settle()
		b.expect("out", "")
	})
}

func TestGuardsKnowAfterARestartWhatWasLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.start(Options{State: b.keep()}, b.guarded("out"))
		b.put(web(t), instances(4))
		b.settle()
		b.stop()
		b.store = watch.NewStore()
		b.start(Options{State: b.keep()}, b.guarded("out"))
		defer b.stop()
		b.put(web(t), instances(1))
		b.settle()
		b.expect("out", "xxxx")
		b.has("web 4 → 1")
	})
}

func TestWithOnceAHeldRolloutFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		if err := os.WriteFile(b.path("out"), []byte("xx"), 0o644); err != nil {
			t.Fatal(err)
		}
		b.store.Put(web(t), instances(0))
		if err := b.once(b.guarded("out")); !errors.Is(err, ErrFailed) {
			t.Errorf("got %v", err)
		}
		b.expect("out", "xx")
	})
}

// driver is a rollout.Driver that does as it is told.
type driver struct {
	mu     sync.Mutex
	tells  tells
	counts counts
}

type tells struct {
	check, reload error
	busy          string
}

type counts struct{ checks, reloads int }

func (d *driver) tell(t tells) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tells = t
}

func (d *driver) counted() counts {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.counts
}

func (d *driver) Check(context.Context, []rollout.Staged) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.counts.checks++
	return d.tells.check
}

func (d *driver) Reload(context.Context, string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.counts.reloads++
	return d.tells.reload
}

func (d *driver) Busy() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.tells.busy
}

func (d *driver) CheckLive(context.Context) error { return nil }
func (d *driver) String() string                  { return "driver" }

func (b *bench) driven(name string, d *driver) Spec {
	spec := b.spec(name, `{{ range service "web" }}x{{ end }}`)
	spec.Target = TargetSpec{Driver: d, DriverKey: "driver"}
	return spec
}

func TestABadOutputIsNotTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		d := &driver{}
		b.start(Options{}, b.driven("out", d))
		defer b.stop()
		b.put(web(t), instances(1))
		b.settle()
		b.expect("out", "x")
		d.tell(tells{check: &rollout.BadError{Err: errors.New("unknown directive")}})
		b.put(web(t), instances(2))
		time.Sleep(time.Hour)
		b.expect("out", "x")
		if n := d.counted().checks; n != 2 {
			t.Errorf("checked %d times", n)
		}
		b.count("rollout failed", 1)
		swapped := instances(2) // other data, the same output
		swapped[0].Tags = []string{"new"}
		b.put(web(t), swapped)
		b.settle()
		if n := d.counted().checks; n != 2 {
			t.Errorf("the same output was checked, %d times in all", n)
		}
		b.has("it is not tried again")
		d.tell(tells{})
		b.put(web(t), instances(3))
		b.settle()
		b.expect("out", "xxx")
		if n := d.counted().reloads; n != 2 {
			t.Errorf("%d reloads", n)
		}
	})
}

// picky is a driver to which files with a word in them are bad.
type picky struct {
	driver
	word string
}

func (p *picky) Check(_ context.Context, staged []rollout.Staged) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts.checks++
	for _, s := range staged {
		if text, err := os.ReadFile(s.Staged); err != nil || strings.Contains(string(text), p.word) {
			return &rollout.BadError{Err: errors.New(p.word + " in " + filepath.Base(s.Path))}
		}
	}
	return nil
}

// Templates that merely have nginx in common do not keep each other from going live; those
// of a group do.
func TestABadOutputHoldsBackNoOtherTemplate(t *testing.T) {
	for _, group := range []string{"", "edge"} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			d := &picky{word: "bad"}
			var specs []Spec
			for _, name := range []string{"a", "b", "c"} {
				spec := b.spec(name, `{{ key "all" }} {{ key "`+name+`" }}`)
				spec.Target = TargetSpec{Driver: d, DriverKey: "driver", Group: group}
				b.store.Put(keyQuery(name), "1")
				specs = append(specs, spec)
			}
			b.store.Put(keyQuery("all"), "1")
			b.start(Options{}, specs...)
			defer b.stop()
			b.settle()
			b.store.Put(keyQuery("b"), "bad")
			b.put(keyQuery("all"), "2")
			time.Sleep(time.Minute)
			if b.expect("b", "1 1"); group != "" {
				b.expect("a", "1 1")
				b.expect("c", "1 1")
				return
			}
			b.expect("a", "2 1")
			b.expect("c", "2 1")
			before := d.counted().checks
			b.put(keyQuery("a"), "2") // the bad one is left out of it
			time.Sleep(time.Minute)
			b.expect("a", "2 2")
			if n := d.counted().checks - before; n != 1 {
				t.Errorf("checked %d times for one change", n)
			}
			b.put(keyQuery("b"), "good")
			time.Sleep(time.Minute)
			b.expect("b", "2 good")
		})
	}
}

func TestAReloadThatFailsIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		d := &driver{tells: tells{reload: fmt.Errorf("port taken: %w", rollout.ErrKept)}}
		b.start(Options{}, b.driven("out", d))
		defer b.stop()
		b.put(web(t), instances(1))
		b.settle()
		b.expect("out", "none")
		time.Sleep(10 * time.Second)
		if d.counted().reloads < 3 {
			t.Errorf("tried %d times", d.counted().reloads)
		}
		b.expect("out", "none")
		d.tell(tells{})
		time.Sleep(time.Minute)
		b.settle()
		b.expect("out", "x")
	})
}

func TestSomebodyWhoIsNotThereYetIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		d := &driver{tells: tells{reload: fmt.Errorf("driver %w", rollout.ErrNotRunning)}}
		b.start(Options{}, b.driven("out", d))
		defer b.stop()
		b.put(web(t), instances(1))
		time.Sleep(time.Minute)
		b.expect("out", "x")
		b.count("driver is not running", 1)
		d.tell(tells{})
		time.Sleep(2 * time.Second)
		before := d.counted().reloads
		time.Sleep(time.Minute)
		if d.counted().reloads != before {
			t.Error("it is reloaded again and again")
		}
		b.has("reloaded")
	})
}

func TestReloadsAreBounded(t *testing.T) {
	for _, tc := range []struct {
		name string
		set  func(*TargetSpec, *driver)
		want int // reloads for a change every second, for two minutes
	}{
		{"not at all", func(*TargetSpec, *driver) {}, 121},
		{"interval", func(s *TargetSpec, _ *driver) { s.MinInterval = 30 * time.Second }, 5},
		{"per minute", func(s *TargetSpec, _ *driver) { s.MaxPerMinute = 6 }, 6 + 12},
		{"draining workers", func(_ *TargetSpec, d *driver) { d.tell(tells{busy: "9 workers are still draining"}) }, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				d := &driver{}
				spec := b.driven("out", d)
				tc.set(&spec.Target, d)
				b.start(Options{}, spec)
				defer b.stop()
				for i := range 121 {
					b.put(web(t), instances(i%7+1))
					time.Sleep(time.Second)
				}
				if d.counted().reloads != tc.want {
					t.Errorf("%d reloads, want %d", d.counted().reloads, tc.want)
				}
				d.tell(tells{})
				time.Sleep(time.Minute)
				b.settle()
				b.expect("out", "xx") // the last one arrives in any case
			})
		})
	}
}

func TestAnInstanceThatLeavesDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		spec := b.spec("out", `{{ range service "web" }}x{{ end }}`)
		spec.Wait, spec.Urgent = Wait{Min: 10 * time.Second, Max: time.Minute}, true
		b.start(Options{}, spec)
		defer b.stop()
		b.put(web(t), instances(2))
		b.settle()
		b.put(web(t), instances(3))
		b.settle()
		b.expect("out", "xx")
		b.put(web(t), instances(1))
		b.settle()
		b.expect("out", "x")
	})
}

func TestAGoodOutputComesBackAndStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		d := &driver{}
		spec := b.driven("out", d)
		b.start(Options{State: b.keep()}, spec)
		for n := 1; n <= 3; n++ {
			b.put(web(t), instances(n))
			b.settle()
		}
		if got := b.ask(AskRollback, b.path("out"), 0); !strings.Contains(got, "rolled back to good output 2") {
			t.Fatal(got)
		}
		b.expect("out", "xx")
		b.put(web(t), instances(5))
		b.settle()
		b.expect("out", "xx")
		b.stop()
		b.start(Options{State: b.keep()}, spec) // also over a restart
		b.settle()
		b.expect("out", "xx")
		b.has("stays as it is until it is released")
		if got := b.ask(AskRelease, b.path("out"), 0); got != "released" {
			t.Error(got)
		}
		b.settle()
		b.expect("out", "xxxxx")
		if got := b.ask(AskRollback, b.path("out"), 99); got != "error: there is no good output 99: ctmpl status lists those that are kept" {
			t.Error(got)
		}
		if got := b.ask(AskRollback, "/nowhere", 0); got != "no such target" {
			t.Error(got)
		}
		d.tell(tells{check: errors.New("broken")})
		if got := b.ask(AskRollback, b.path("out"), 0); !strings.Contains(got, "failed: check driver: broken") {
			t.Error(got)
		}
		b.expect("out", "xxxxx")
		b.stop()
	})
}

func TestWhatSomebodyElseHasChanged(t *testing.T) {
	for _, tc := range []struct {
		drift Drift
		want  string
		log   string
	}{
		{DriftOverwrite, "x", "it is overwritten"},
		{DriftKeep, "edited", "stays as it is until it is released"},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			spec := b.spec("out", `{{ range service "web" }}x{{ end }}`)
			spec.Target.OnDrift = tc.drift
			b.start(Options{State: b.keep()}, spec)
			b.put(web(t), instances(1))
			b.settle()
			b.stop()
			if err := os.WriteFile(b.path("out"), []byte("edited"), 0o644); err != nil {
				t.Fatal(err)
			}
			b.start(Options{State: b.keep()}, spec)
			defer b.stop()
			b.settle()
			b.expect("out", tc.want)
			b.has(tc.log)
			b.has("has another content")
			if tc.drift == DriftKeep {
				b.ask(AskRelease, "", 0)
				b.settle()
				b.expect("out", "x")
			}
		})
	}
}

func TestAChangeBySomebodyElseCanRefuseTheStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	state := &rollout.State{Dir: filepath.Join(dir, "state"), Keep: 1}
	record, err := state.Open(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "out"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	spec := Spec{Contents: "x", File: rollout.File{Path: filepath.Join(dir, "out"), UID: -1, GID: -1}, Target: TargetSpec{OnDrift: DriftRefuse}}
	b := newBench(t)
	b.store.Put(servicesQuery, services())
	record.Close()
	if err := b.onceIn(state, spec); err != nil {
		t.Fatal(err)
	}
	if err := b.onceIn(state, spec); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "out"), []byte("edited"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := b.onceIn(state, spec); err == nil || !strings.Contains(err.Error(), "on_drift") {
		t.Errorf("got %v", err)
	}
}

// once renders once.
func (b *bench) once(specs ...Spec) error { return b.onceIn(nil, specs...) }

func (b *bench) onceIn(state *rollout.State, specs ...Spec) error {
	b.t.Helper()
	engine, err := New(specs, Options{Once: true, State: state, Store: b.store, Want: func(watch.Set) {}, Log: slog.New(slog.NewTextHandler(b.log, nil))})
	if err != nil {
		return err
	}
	return engine.Run(context.Background())
}

func TestADoubtThatIsClearedSaysNothingOfTheOlderAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		spec := b.guarded("out")
		spec.Guard, spec.Wait = &guard.Limits{AllowEmpty: true}, Wait{Min: 10 * time.Second, Max: time.Minute}
		spec.Command = b.noting("ran")
		spec.Command.Args[0] = "cat " + b.path("out") + " >> " + b.path("ran")
		b.start(Options{}, spec)
		defer b.stop()
		b.put(web(t), instances(2))
		b.settle()
		b.store.Doubt(web(t), watch.DoubtACL)
		b.put(web(t), instances(0))
		time.Sleep(20 * time.Second)
		b.expect("out", "xx")
		b.store.Put(web(t), instances(3)) // it recovers: the empty output is out of date
		b.store.Doubt(web(t), "")
		time.Sleep(20 * time.Second)
		b.settle()
		b.expect("ran", "xxxxx")
	})
}

// A plain target that was cut short may have half of its files: its command waits for
// the others.
func TestACommandThatIsOwedFromBeforeWaitsForTheFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		state := b.keep()
		record, err := state.Open(b.path("one"))
		if err != nil {
			t.Fatal(err)
		}
		crashed := &rollout.Target{Log: slog.New(slog.DiscardHandler), Record: record}
		crashed.At = func(point string) {
			if point == "committed 1" {
				panic("killed")
			}
		}
		func() {
			defer func() { _ = recover() }()
			rollout.Apply(t.Context(), []rollout.Change{{
				Target: crashed, Plan: rollout.Plan{Commands: []rollout.Command{b.noting("ran")}},
				Files: []rollout.File{{Path: b.path("one"), Content: []byte("1"), UID: -1, GID: -1}, {Path: b.path("two"), Content: []byte("1"), UID: -1, GID: -1}},
			}}, func(rollout.Outcome) {})
		}()
		record.Close()
		one, two := b.spec("one", `{{ key "a" }}`), b.spec("two", `{{ key "a" }}`)
		one.Command, two.Command = b.noting("ran"), b.noting("ran")
		b.start(Options{State: state}, one, two)
		defer b.stop()
		time.Sleep(time.Minute)
		b.expect("two", "none")
		b.expect("ran", "none")
		b.put(keyQuery("a"), "1")
		b.settle()
		b.expect("two", "1")
		b.expect("ran", "ran\n")
	})
}

func TestWhatADriverReloadsIsNotReloadedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		complete, changed := 0, 0
		b.start(Options{Complete: func() { complete++ }, Changed: func() { changed++ }}, b.driven("out", &driver{}))
		defer b.stop()
		b.put(web(t), instances(1))
		b.settle()
		b.put(web(t), instances(2))
		b.settle()
		b.expect("out", "xx")
		if complete != 1 || changed != 0 {
			t.Errorf("complete %d, changed %d", complete, changed)
		}
	})
}

func TestGuardsCompareWithWhatWasRolledBackTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.start(Options{State: b.keep()}, b.guarded("out"))
		defer b.stop()
		b.put(web(t), instances(3))
		b.settle()
		b.put(web(t), instances(0))
		b.settle()
		b.ask(AskApprove, "", 0)
		b.settle()
		b.expect("out", "")
		b.ask(AskRollback, b.path("out"), 0)
		b.expect("out", "xxx")
		b.ask(AskRelease, "", 0)
		b.settle()
		b.expect("out", "xxx")
		b.count("rollout held", 2)
	})
}
