package render

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ctmpl/ctmpl/render/rollout"
	"github.com/ctmpl/ctmpl/watch"
)

// bench is an engine at work in virtual time, with a directory for its files.
type bench struct {
	t      *testing.T
	dir    string
	store  *watch.Store
	engine *Engine
	wanted watch.Set
	log    *lockedBuffer
	stop   func()
}

// lockedBuffer can be read while it is written: commands end in their own time.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// spec makes a template with its text in the configuration.
func (b *bench) spec(name, text string) Spec {
	return Spec{Contents: text, File: rollout.File{Path: b.path(name), UID: -1, GID: -1}}
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

func newBench(t *testing.T) *bench {
	return &bench{t: t, dir: t.TempDir(), store: watch.NewStore(), log: &lockedBuffer{}}
}

// start runs the engine in the bubble until stop, or until the test ends.
func (b *bench) start(opt Options, specs ...Spec) {
	b.t.Helper()
	b.launch(opt, specs...)
	synctest.Wait()
}

// launch is start for commands that take their time: it does not wait for calm.
func (b *bench) launch(opt Options, specs ...Spec) {
	b.t.Helper()
	opt.Store, opt.Want = b.store, func(s watch.Set) { b.wanted = s }
	opt.Log = slog.New(slog.NewTextHandler(b.log, nil))
	engine, err := New(specs, opt)
	if err != nil {
		b.t.Fatal(err)
	}
	b.engine = engine
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- engine.Run(ctx) }()
	b.stop = func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Error(err)
		}
	}
}

func (b *bench) put(q watch.Query, v any) {
	b.store.Put(q, v)
	synctest.Wait()
}

// settle waits for commands and files: what a rollout does is not in virtual time.
func (b *bench) settle() {
	time.Sleep(time.Millisecond)
	synctest.Wait()
}

func (b *bench) read(name string) string {
	b.t.Helper()
	data, err := os.ReadFile(b.path(name))
	if err != nil {
		return "none"
	}
	return string(data)
}

func (b *bench) expect(name, want string) {
	b.t.Helper()
	if got := b.read(name); got != want {
		b.t.Errorf("%s: got %q, want %q\nlog: %s", name, got, want, b.log)
	}
}

func services(names ...string) []*watch.ServiceSummary {
	var list []*watch.ServiceSummary
	for _, n := range names {
		list = append(list, &watch.ServiceSummary{Name: n})
	}
	return list
}

func service(t *testing.T, arg string) watch.Query {
	t.Helper()
	q, err := watch.ParseService(arg)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

var servicesQuery = watch.Query{Kind: watch.KindServices}

func TestDiscoveryTakesOneExecutionPerStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.start(Options{}, b.spec("out", `{{ range services }}{{ .Name }}:{{ range service .Name }}{{ .Port }}{{ end }} {{ end }}`))
		defer b.stop()
		var names []string
		for i := range 500 {
			names = append(names, fmt.Sprintf("s%03d", i))
		}
		b.put(servicesQuery, services(names...))
		if len(b.wanted) != 501 {
			t.Fatalf("%d queries wanted, want 501", len(b.wanted))
		}
		executions := b.engine.executions
		for i, n := range names {
			b.expect("out", "none")
			b.put(service(t, n), []*watch.ServiceInstance{{Port: i}})
		}
		b.settle()
		if got := b.engine.executions - executions; got != 1 {
			t.Errorf("%d executions for the last of 500 answers, want 1", got)
		}
		if out := b.read("out"); !strings.HasPrefix(out, "s000:0 s001:1 ") || !strings.HasSuffix(out, "s499:499 ") {
			t.Errorf("got %.40q", out)
		}
	})
}

func TestOnlyWhatWasReadIsRendered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.start(Options{}, b.spec("a", `{{ key "a" }}`), b.spec("b", `{{ key "b" }}`))
		defer b.stop()
		b.put(keyQuery("a"), "1")
		b.settle()
		b.expect("a", "1")
		b.expect("b", "none")
		b.put(keyQuery("b"), "2")
		b.settle()
		b.expect("b", "2")
		executions := b.engine.executions
		b.put(keyQuery("b"), "3")
		b.settle()
		if got := b.engine.executions - executions; got != 1 {
			t.Errorf("%d executions for one change, want 1", got)
		}
	})
}

func TestWaitSettlesChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		spec := b.spec("out", `{{ key "a" }}`)
		spec.Wait = Wait{Min: 2 * time.Second, Max: 5 * time.Second}
		b.start(Options{}, spec)
		defer b.stop()
		b.put(keyQuery("a"), "first")
		b.settle()
		b.expect("out", "first") // at once

		b.put(keyQuery("a"), "second")
		time.Sleep(1900 * time.Millisecond)
		b.settle()
		b.expect("out", "first")
		time.Sleep(200 * time.Millisecond)
		b.settle()
		b.expect("out", "second")

		for i := range 4 { // a change every 1.5 s never leaves 2 s of quiet
			b.put(keyQuery("a"), fmt.Sprint(i))
			time.Sleep(1500 * time.Millisecond)
		}
		b.settle()
		b.expect("out", "3")
	})
}

func TestAnErrorStopsNoOtherTemplateAndKeepsTheOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.start(Options{}, b.spec("bad", `{{ key "a" | parseInt }}`), b.spec("good", `{{ key "a" }}`))
		defer b.stop()
		b.put(keyQuery("a"), "1")
		b.settle()
		b.put(keyQuery("a"), "x")
		b.settle()
		b.expect("bad", "1")
		b.expect("good", "x")
		if got := strings.Count(b.log.String(), "template failed"); got != 1 {
			t.Errorf("%d lines in the log, want 1:\n%s", got, b.log)
		}
		b.put(keyQuery("a"), "2")
		b.settle()
		b.expect("bad", "2")
	})
}

// noting is a command that appends a line to a file, and fails while another file
// exists.
func (b *bench) noting(file string) rollout.Command {
	return rollout.Command{Args: []string{fmt.Sprintf("echo ran >> %[1]s; ! test -e %[1]s.fail", b.path(file))}}
}

func TestCommandsRunOncePerChangeAndAreOwedUntilTheySucceed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		one, two, other := b.spec("one", `{{ key "a" }}`), b.spec("two", `{{ key "a" }}{{ key "b" }}`), b.spec("other", `{{ key "b" }}`)
		one.Command, two.Command, other.Command = b.noting("shared"), b.noting("shared"), b.noting("own")
		b.store.Put(keyQuery("a"), "1")
		b.store.Put(keyQuery("b"), "1")
		b.start(Options{}, one, two, other)
		defer b.stop()
		b.settle()
		b.expect("shared", "ran\n") // once for both
		b.expect("own", "ran\n")

		b.put(keyQuery("a"), "2")
		b.settle()
		b.expect("shared", "ran\nran\n")
		b.expect("own", "ran\n") // its file did not change

		if err := os.WriteFile(b.path("own.fail"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		b.put(keyQuery("b"), "2")
		b.settle()
		b.expect("own", "ran\nran\n")
		b.expect("shared", "ran\nran\nran\n")
		if !strings.Contains(b.log.String(), "rollout failed") {
			t.Errorf("the failure is not in the log: %s", b.log)
		}
		if err := os.Remove(b.path("own.fail")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute) // the wait before the retry, with jitter
		b.settle()
		b.expect("own", "ran\nran\nran\n") // once more, though no file has changed
		time.Sleep(10 * time.Minute)
		b.settle()
		b.expect("own", "ran\nran\nran\n")
	})
}

func TestTheFirstCommandWaitsForTemplatesThatShareIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		one, two := b.spec("one", `{{ key "a" }}`), b.spec("two", `{{ key "b" }}`)
		one.Command, two.Command = b.noting("runs"), b.noting("runs")
		b.store.Put(keyQuery("a"), "1")
		b.start(Options{}, one, two)
		defer b.stop()
		b.settle()
		b.expect("one", "none")
		b.put(keyQuery("a"), "2")
		b.put(keyQuery("b"), "1")
		b.settle()
		b.expect("one", "2")
		b.expect("runs", "ran\n")
	})
	synctest.Test(t, func(t *testing.T) { // but not for ever
		b := newBench(t)
		one, two := b.spec("one", `{{ key "a" }}`), b.spec("two", `{{ key "b" }}`)
		one.Command, two.Command = b.noting("runs"), b.noting("runs")
		b.store.Put(keyQuery("a"), "1")
		b.start(Options{}, one, two)
		defer b.stop()
		time.Sleep(gatherFor)
		b.settle()
		b.expect("one", "1")
		b.expect("runs", "ran\n")
		b.put(keyQuery("a"), "2")
		b.settle()
		b.expect("one", "2") // two was given its time
	})
}

func TestOutputThatCannotBeWrittenIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		if err := os.Mkdir(b.path("out"), 0o755); err != nil { // in the place of the file
			t.Fatal(err)
		}
		spec := b.spec("out", `{{ key "a" }}`)
		spec.Command = b.noting("runs")
		b.store.Put(keyQuery("a"), "1")
		b.start(Options{}, spec)
		defer b.stop()
		b.settle()
		b.expect("runs", "none")
		if err := os.Remove(b.path("out")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		b.settle()
		b.expect("out", "1")
		b.expect("runs", "ran\n")
	})
}

func TestTemplateIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		source := b.path("in.tmpl")
		write := func(text string) {
			if err := os.WriteFile(source, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		write(`{{ key "a" }}`)
		spec := b.spec("out", "")
		spec.Source, spec.Contents = source, ""
		b.store.Put(keyQuery("a"), "1")
		b.start(Options{}, spec)
		defer b.stop()
		b.settle()

		write(`{{ kee "a" }}`)
		b.engine.Reread(t.Context(), source)
		b.put(keyQuery("a"), "2")
		b.settle()
		b.expect("out", "2") // by the last good template
		if !strings.Contains(b.log.String(), `function \"kee\" not defined`) {
			t.Errorf("the error is not in the log: %s", b.log)
		}
		write(`new {{ key "a" }} {{ key "b" }}`)
		b.engine.Reread(t.Context(), source)
		b.settle()
		b.expect("out", "2") // b is missing
		b.put(keyQuery("b"), "3")
		b.settle()
		b.expect("out", "new 2 3")
	})
}

func TestConfigureKeepsWhatStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		stays := b.spec("stays", `{{ key "a" }}`)
		stays.Command = b.noting("runs")
		b.store.Put(keyQuery("a"), "1")
		b.start(Options{}, stays, b.spec("goes", `{{ key "b" }}`))
		defer b.stop()
		b.settle()
		b.engine.Configure(t.Context(), []Spec{stays, b.spec("comes", `{{ key "a" }}{{ keyExists "c" }}`)})
		b.settle()
		if _, ok := b.wanted[keyQuery("b")]; ok || len(b.wanted) != 2 {
			t.Errorf("wanted: %v", b.wanted)
		}
		b.put(watch.Query{Kind: watch.KindLookup, Name: "c"}, watch.Lookup{})
		b.settle()
		b.expect("comes", "1false")
		b.expect("runs", "ran\n") // not again: nothing changed
	})
}

func TestACorrectedCommandIsOwedWhatTheOldOneWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		spec := b.spec("out", `{{ key "a" }}`)
		spec.Command = rollout.Command{Args: []string{"nosuchprogram -s reload"}}
		b.store.Put(keyQuery("a"), "1")
		b.start(Options{}, spec)
		defer b.stop()
		b.settle()
		spec.Command = b.noting("runs")
		b.engine.Configure(t.Context(), []Spec{spec})
		b.settle()
		b.expect("runs", "ran\n")
		spec.Command = b.noting("other") // nothing is owed any more
		b.engine.Configure(t.Context(), []Spec{spec})
		time.Sleep(time.Hour)
		b.settle()
		b.expect("other", "none")
	})
}

func TestAnOlderOutputNeverComesAfterANewerOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		hold := b.path("hold")
		if err := syscall.Mkfifo(hold, 0o600); err != nil {
			t.Fatal(err)
		}
		spec := b.spec("out", "old")
		spec.Command = rollout.Command{Args: []string{"cat < " + hold + "; cat " + b.path("out") + " >> " + b.path("seen")}}
		engine, err := New([]Spec{spec}, Options{Store: b.store, Want: func(watch.Set) {}, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- engine.Run(ctx) }()
		w, err := os.OpenFile(hold, os.O_WRONLY, 0) // the command is under way
		if err != nil {
			t.Fatal(err)
		}
		other := b.spec("out", "new") // the same destination, and no command
		other.Contents = "new"
		engine.Configure(ctx, []Spec{other})
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		b.expect("out", "new")
	})
}

func TestARemovedTemplateIsNotWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		one, two := b.spec("one", `{{ key "a" }}`), b.spec("two", `{{ key "b" }}`)
		one.Command, two.Command = b.noting("runs"), b.noting("runs")
		b.store.Put(keyQuery("a"), "1")
		b.start(Options{}, one, two)
		defer b.stop()
		b.engine.Configure(t.Context(), []Spec{two}) // one waits for it
		b.put(keyQuery("b"), "2")
		time.Sleep(time.Minute)
		b.settle()
		b.expect("one", "none")
		b.expect("two", "2")
	})
}

func TestATemplateThatMustNotFailEndsTheEngine(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"{{ nosuch }}", "{{ index 1 2 }}"} {
		b := newBench(t)
		bad := b.spec("bad", text)
		bad.Fatal = true
		engine, err := New([]Spec{bad, b.spec("good", "")}, Options{Store: b.store, Want: func(watch.Set) {}, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		if err := engine.Run(t.Context()); err != ErrFailed {
			t.Errorf("%s: got %v", text, err)
		}
	}
}

func TestOneExecutionHoweverOftenWhatIsMissingChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.start(Options{}, b.spec("out", `{{ key "a" }}{{ key "b" }}`))
		defer b.stop()
		executions := b.engine.executions
		for i := range 9 {
			b.put(keyQuery("a"), fmt.Sprint(i))
		}
		b.put(keyQuery("b"), "b")
		b.settle()
		if got := b.engine.executions - executions; got != 1 {
			t.Errorf("%d executions, want 1", got)
		}
		b.expect("out", "8b")
	})
}

func TestOnceEndsWithAVerdict(t *testing.T) {
	t.Parallel()
	run := func(t *testing.T, b *bench, specs ...Spec) error {
		engine, err := New(specs, Options{Store: b.store, Once: true, Want: func(watch.Set) {}, Log: slog.New(slog.NewTextHandler(b.log, nil))})
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		err = engine.Run(ctx)
		if ctx.Err() != nil {
			t.Fatal("it does not end")
		}
		return err
	}
	t.Run("good", func(t *testing.T) {
		b := newBench(t)
		b.store.Put(keyQuery("a"), "1")
		if err := run(t, b, b.spec("out", `{{ key "a" }}`)); err != nil {
			t.Error(err)
		}
		b.expect("out", "1")
	})
	t.Run("a template fails, the other does not", func(t *testing.T) {
		b := newBench(t)
		if err := run(t, b, b.spec("bad", `{{ index 1 2 }}`), b.spec("out", "1")); err != ErrFailed {
			t.Errorf("got %v", err)
		}
		b.expect("out", "1")
	})
	t.Run("a command fails", func(t *testing.T) {
		b := newBench(t)
		spec := b.spec("out", "1")
		spec.Command = rollout.Command{Args: []string{"echo why >&2; exit 3"}}
		if err := run(t, b, spec); err != ErrFailed {
			t.Errorf("got %v", err)
		}
		if !strings.Contains(b.log.String(), "exit status 3: it printed: why") {
			t.Errorf("the log says %s", b.log)
		}
	})
	t.Run("no template can be used", func(t *testing.T) {
		b := newBench(t)
		if err := run(t, b, b.spec("out", "{{")); err == nil || err == ErrFailed {
			t.Errorf("got %v", err)
		}
	})
}

func TestShowPrintsWhatDiffers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		if err := os.WriteFile(b.path("same"), []byte("1"), 0o644); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		b.store.Put(keyQuery("a"), "1")
		b.start(Options{Show: &out}, b.spec("same", `{{ key "a" }}`), b.spec("new", `{{ key "a" }}{{"\n"}}`))
		b.stop()
		if want := "> " + b.path("new") + "\n1\n"; out.String() != want {
			t.Errorf("got %q, want %q", out.String(), want)
		}
		b.expect("new", "none")
	})
}
