package render

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ctmpl/ctmpl/render/rollout"
	"github.com/ctmpl/ctmpl/watch"
)

// mkdir puts a directory in the place of a file, which cannot be written then.
func (b *bench) mkdir(name string) {
	b.t.Helper()
	if err := os.Mkdir(b.path(name), 0o755); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) remove(name string) {
	b.t.Helper()
	if err := os.Remove(b.path(name)); err != nil {
		b.t.Fatal(err)
	}
}

// held is a command that waits in each of its first runs until hold lets it go.
func (b *bench) held(file string, runs int) (command rollout.Command, hold func(run int) (letGo func())) {
	b.t.Helper()
	fifo := func(run int) string { return fmt.Sprintf("%s.%d", b.path(file), run) }
	for run := range runs {
		if err := syscall.Mkfifo(fifo(run), 0o600); err != nil {
			b.t.Fatal(err)
		}
	}
	command.Args = []string{fmt.Sprintf("set -- $(cat %[1]s 2>/dev/null); test ! -p %[1]s.$# || cat < %[1]s.$#; echo ran >> %[1]s", b.path(file))}
	return command, func(run int) func() {
		b.t.Helper()
		w, err := os.OpenFile(fifo(run), os.O_WRONLY, 0) // when the command is under way
		if err != nil {
			b.t.Fatal(err)
		}
		return func() {
			if err := w.Close(); err != nil {
				b.t.Error(err)
			}
		}
	}
}

// A file that could not be written is tried again for as long as somebody wants it,
// and holds up the command for so long.
func TestAFileThatNobodyWantsAnyMoreHoldsNothingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.mkdir("bad")
		good, bad := b.spec("good", `{{ key "a" }}`), b.spec("bad", `{{ key "a" }}`)
		good.Command, bad.Command = b.noting("runs"), b.noting("runs")
		b.store.Put(keyQuery("a"), "1")
		b.start(Options{}, good, bad)
		defer b.stop()
		b.settle()
		b.expect("runs", "none")
		mended := bad
		mended.File.Path = b.path("mended")
		b.engine.Configure(t.Context(), []Spec{good, mended})
		b.settle()
		b.expect("mended", "1")
		b.expect("runs", "ran\n")
		b.remove("bad")
		time.Sleep(10 * time.Minute)
		b.put(keyQuery("a"), "2")
		b.settle()
		b.expect("runs", "ran\nran\n")
		b.expect("bad", "none")
	})
	synctest.Test(t, func(t *testing.T) { // the same for what writeToFile wants
		b := newBench(t)
		spec := b.spec("out", `{{ key "p" }}{{ "x" | writeToFile (key "p") "" "" "0600" }}`)
		spec.Command = b.noting("runs")
		b.store.Put(keyQuery("p"), "/proc/none/x")
		b.start(Options{}, spec)
		defer b.stop()
		b.settle()
		b.expect("out", "/proc/none/x")
		b.expect("runs", "none")
		b.put(keyQuery("p"), b.path("good/x"))
		b.settle()
		b.expect("good/x", "x")
		b.expect("runs", "ran\n")
	})
}

// Nor does a file whose template was removed while it could not be written.
func TestAFileThatNobodyWantsInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.mkdir("bad")
		one, two, three := b.spec("one", "1"), b.spec("bad", "2"), b.spec("three", "3")
		command, hold := b.held("held", 1)
		one.Command, two.Command, three.Command = command, b.noting("runs"), b.noting("runs")
		b.launch(Options{}, one, two, three)
		defer b.stop()
		letGo := hold(0)
		b.engine.Configure(t.Context(), []Spec{one, three})
		letGo()
		b.settle()
		b.expect("runs", "ran\n")
	})
}

// A template that comes to a target whose command runs brings what it is owed.
func TestACommandIsOwedThoughItRunsJustNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		one, two := b.spec("one", "1"), b.spec("two", "2")
		one.Command = rollout.Command{Args: []string{"exit 1; "}}
		command, hold := b.held("runs", 1)
		two.Command = command
		b.launch(Options{}, one, two)
		defer b.stop()
		letGo := hold(0)
		one.Command = two.Command
		b.engine.Configure(t.Context(), []Spec{one, two})
		letGo()
		b.settle()
		time.Sleep(time.Hour)
		b.settle()
		b.expect("runs", "ran\nran\n")
	})
}

// The first rollout waits for templates that share its command; when the one is
// removed whose files are at hand there is nothing to wait for.
func TestNothingIsDueWhenARolloutIsCalledOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		one, two := b.spec("one", `{{ key "a" }}`), b.spec("two", `{{ key "b" }}`)
		one.Command, two.Command = b.noting("runs"), b.noting("runs")
		b.store.Put(keyQuery("a"), "1")
		b.start(Options{}, one, two)
		defer b.stop()
		b.engine.Configure(t.Context(), []Spec{two})
		time.Sleep(gatherFor)
		b.calm()
	})
	synctest.Test(t, func(t *testing.T) { // nor is what is owed, while the first rollout waits
		b := newBench(t)
		one, two := b.spec("one", `{{ key "a" }}`), b.spec("two", `{{ key "b" }}`)
		one.Command = rollout.Command{Args: []string{"exit 1; "}}
		b.store.Put(keyQuery("a"), "1")
		b.start(Options{}, one, two)
		defer b.stop()
		b.settle()
		one.Command, two.Command = b.noting("runs"), b.noting("runs")
		b.engine.Configure(t.Context(), []Spec{one, two})
		b.calm()
		time.Sleep(gatherFor)
		b.settle()
		b.expect("runs", "ran\n")
	})
}

// calm checks that the engine does not run in circles.
func (b *bench) calm() {
	b.t.Helper()
	var until time.Duration
	b.engine.do(b.t.Context(), func() { until = b.engine.untilDue() })
	if until <= 0 {
		b.t.Fatalf("something is due since %s", -until)
	}
}

// counted counts the calls of the hooks.
type counted struct{ complete, changed atomic.Int32 }

func (c *counted) options(opt Options) Options {
	opt.Complete = func() { c.complete.Add(1) }
	opt.Changed = func() { c.changed.Add(1) }
	return opt
}

func (c *counted) expect(t *testing.T, when string, complete, changed int32) {
	t.Helper()
	if gotComplete, gotChanged := c.complete.Load(), c.changed.Load(); gotComplete != complete || gotChanged != changed {
		t.Errorf("%s: complete was called %d times, changed %d, want %d and %d", when, gotComplete, gotChanged, complete, changed)
	}
}

func TestHooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, calls := newBench(t), &counted{}
		b.start(calls.options(Options{}), b.spec("one", `{{ key "a" }}`), b.spec("two", `{{ key "b" }}`))
		defer b.stop()
		b.put(keyQuery("a"), "1")
		b.settle()
		calls.expect(t, "one is missing", 0, 0)
		b.put(keyQuery("b"), "1")
		b.settle()
		calls.expect(t, "all are there", 1, 0)
		b.put(keyQuery("b"), "2")
		b.settle()
		calls.expect(t, "a change", 1, 1)
		b.engine.Configure(t.Context(), []Spec{b.spec("one", `{{ key "a" }}`), b.spec("two", `{{ key "b" }}`)})
		b.settle()
		calls.expect(t, "no change", 1, 1)
		b.engine.Configure(t.Context(), []Spec{b.spec("one", `{{ key "a" }}`), b.spec("three", `{{ key "b" }}`)})
		b.settle()
		calls.expect(t, "another template", 1, 2)
	})
	synctest.Test(t, func(t *testing.T) {
		b, calls := newBench(t), &counted{}
		b.start(calls.options(Options{}))
		defer b.stop()
		calls.expect(t, "without templates", 1, 0)
	})
	synctest.Test(t, func(t *testing.T) {
		b, calls := newBench(t), &counted{}
		b.mkdir("one")
		b.start(calls.options(Options{}), b.spec("one", "1"), b.spec("two", `{{ key "a" }}`))
		defer b.stop()
		b.put(keyQuery("a"), "1")
		b.settle()
		calls.expect(t, "a file cannot be written", 0, 0)
		b.remove("one")
		time.Sleep(2 * time.Minute)
		b.settle()
		calls.expect(t, "it can", 1, 0)
	})
}

// Changed tells of what took effect: with its command.
func TestChangedWaitsForTheCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, calls := newBench(t), &counted{}
		spec := b.spec("out", `{{ key "a" }}`)
		spec.Command = b.noting("runs")
		b.store.Put(keyQuery("a"), "1")
		b.mkdir("runs.fail")
		b.start(calls.options(Options{}), spec, b.spec("other", `{{ key "b" }}`))
		defer b.stop()
		b.put(keyQuery("b"), "1")
		b.settle()
		calls.expect(t, "the command failed at the start", 1, 0)
		b.remove("runs.fail")
		time.Sleep(2 * time.Minute)
		b.settle()
		calls.expect(t, "it has run since, nothing has changed", 1, 0)
		b.mkdir("runs.fail")
		b.put(keyQuery("a"), "2")
		b.settle()
		calls.expect(t, "the command failed", 1, 0)
		b.put(keyQuery("b"), "2")
		b.settle()
		calls.expect(t, "another template changed", 1, 1)
		b.remove("runs.fail")
		time.Sleep(2 * time.Minute)
		b.settle()
		calls.expect(t, "the command has run", 1, 2)
		b.mkdir("runs.fail")
		b.put(keyQuery("a"), "3")
		b.settle()
		calls.expect(t, "the command failed again", 1, 2)
		spec.Command = b.noting("corrected")
		b.engine.Configure(t.Context(), []Spec{spec})
		b.settle()
		calls.expect(t, "it was corrected", 1, 3)
	})
}

// A template that changes again and again, with a command that takes its time, does
// not keep the hooks from being called.
func TestHooksAreCalledBetweenRollouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, calls := newBench(t), &counted{}
		spec := b.spec("out", `{{ key "a" }}`)
		command, hold := b.held("runs", 3)
		spec.Command = command
		b.store.Put(keyQuery("a"), "1")
		b.launch(calls.options(Options{}), spec)
		defer b.stop()
		for i := range 3 {
			letGo := hold(i)
			calls.expect(t, fmt.Sprintf("run %d", i), int32(min(i, 1)), int32(max(i-1, 0)))
			b.store.Put(keyQuery("a"), fmt.Sprint(i))
			b.engine.do(t.Context(), func() {}) // it has seen that
			letGo()
		}
	})
}

func TestOnceThatFailsIsNotComplete(t *testing.T) {
	t.Parallel()
	b, calls := newBench(t), &counted{}
	spec := b.spec("out", "1")
	spec.Command = rollout.Command{Args: []string{"exit 1; "}}
	opt := calls.options(Options{Once: true, Store: b.store, Want: func(watch.Set) {}, Log: slog.New(slog.DiscardHandler)})
	engine, err := New([]Spec{spec}, opt)
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Run(t.Context()); err != ErrFailed {
		t.Errorf("got %v", err)
	}
	calls.expect(t, "a command failed", 0, 0)
}

// Commands run in the order of the templates, also when that has changed.
func TestCommandsRunInTheOrderOfTheTemplates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		var specs []Spec
		for _, name := range []string{"one", "two", "three"} {
			spec := b.spec(name, `{{ key "a" }}`)
			spec.Command = rollout.Command{Args: []string{fmt.Sprintf("printf '%s ' >> %s", name, b.path("order"))}}
			specs = append(specs, spec)
		}
		b.store.Put(keyQuery("a"), "1")
		b.start(Options{}, specs[2], specs[0])
		defer b.stop()
		b.settle()
		b.expect("order", "three one ")
		b.engine.Configure(t.Context(), specs)
		b.settle()
		b.expect("order", "three one two ")
		b.put(keyQuery("a"), "2")
		b.settle()
		b.expect("order", "three one two one two three ")
	})
}

// A template that never becomes complete does not want for ever what it wanted once.
func TestWhatIsReadNoMoreIsNotWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.store.Put(servicesQuery, services("job-0"))
		b.start(Options{}, b.spec("out", `{{ range services }}{{ range service .Name }}{{ end }}{{ end }}{{ key "never" }}`))
		defer b.stop()
		for i := range 20 {
			name, next := fmt.Sprintf("job-%d", i), fmt.Sprintf("job-%d", i+1)
			b.put(service(t, name), []*watch.ServiceInstance{})
			b.put(servicesQuery, services(name, next))
		}
		if len(b.wanted) != 4 {
			t.Errorf("%d queries are wanted: %v", len(b.wanted), b.wanted.Sorted())
		}
	})
	synctest.Test(t, func(t *testing.T) { // but after an error what was read before it
		b := newBench(t)
		b.store.Put(keyQuery("a"), "1")
		b.store.Put(keyQuery("b"), "1")
		b.start(Options{}, b.spec("out", `{{ key "a" | parseInt }}{{ key "b" }}`))
		defer b.stop()
		b.settle()
		b.put(keyQuery("a"), "x")
		if _, ok := b.wanted[keyQuery("b")]; !ok {
			t.Errorf("wanted: %v", b.wanted)
		}
	})
	synctest.Test(t, func(t *testing.T) { // nor when there is no template left
		b := newBench(t)
		b.start(Options{}, b.spec("out", `{{ key "a" }}`))
		defer b.stop()
		b.engine.Configure(t.Context(), nil)
		synctest.Wait()
		if len(b.wanted) != 0 {
			t.Errorf("wanted: %v", b.wanted)
		}
	})
}

// The output of an earlier configuration may be on its way for more than one change
// of the configuration.
func TestATemplateWaitsForItsOldestRollout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		spec := b.spec("out", "1")
		command, hold := b.held("runs", 1)
		spec.Command = command
		b.launch(Options{}, spec)
		defer b.stop()
		letGo := hold(0)
		for i := range 2 {
			spec.Command = rollout.Command{Args: []string{"true", fmt.Sprint(i)}}
			b.engine.Configure(t.Context(), []Spec{spec})
		}
		b.engine.do(t.Context(), func() {
			if got := b.engine.units[0].before.key; got != command.Key() {
				t.Errorf("it waits for the rollout with the command %q", got)
			}
		})
		letGo()
		b.settle()
	})
}

// A template from a pipe, as a shell makes one of <(…), is read only once.
func TestAPipeIsReadOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if _, err := w.WriteString(`{{ key "a" }}`); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		spec := b.spec("out", "")
		spec.Source = fmt.Sprintf("/dev/fd/%d", r.Fd())
		b.store.Put(keyQuery("a"), "1")
		b.start(Options{}, spec)
		defer b.stop()
		b.settle()
		b.expect("out", "1")
		b.engine.Configure(t.Context(), []Spec{spec})
		b.settle()
		b.expect("out", "1")
	})
}

// Whoever comes when the engine has ended does not wait for it.
func TestConfigureAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.start(Options{Once: true}, b.spec("out", "1"))
		b.settle()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		b.engine.Configure(ctx, nil)
		b.engine.Reread(ctx, "x")
		if ctx.Err() != nil {
			t.Error("it waited")
		}
		b.stop()
	})
}

// A template that was rendered stays as it is while others wait.
func TestOnceIsOnceForEachTemplate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.store.Put(keyQuery("a"), "1")
		b.start(Options{Once: true}, b.spec("first", `{{ key "a" }}`), b.spec("second", `{{ key "a" }} {{ key "b" }}`))
		b.expect("first", "1")
		b.store.Put(keyQuery("a"), "2")
		synctest.Wait()
		b.expect("first", "1")
		b.store.Put(keyQuery("b"), "3")
		synctest.Wait()
		b.expect("second", "2 3")
		b.expect("first", "1")
	})
}

// wait counts from the first output on, though its command still runs.
func TestWaitBeginsWithTheFirstOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		spec := b.spec("out", `{{ key "a" }}`)
		command, hold := b.held("held", 1)
		spec.Command, spec.Wait = command, Wait{Min: time.Minute, Max: time.Hour}
		b.store.Put(keyQuery("a"), "1")
		b.launch(Options{}, spec)
		defer b.stop()
		letGo := hold(0)
		b.store.Put(keyQuery("a"), "2")
		b.engine.do(t.Context(), func() {}) // it has seen that
		letGo()
		b.settle()
		b.expect("out", "1")
		time.Sleep(time.Minute)
		b.settle()
		b.expect("out", "2")
	})
}
