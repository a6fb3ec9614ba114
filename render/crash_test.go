package render

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ctmpl/ctmpl/render/rollout"
	"github.com/ctmpl/ctmpl/watch"
)

// taker is a driver that notes what it has taken over last.
type taker struct {
	driver
	path string
	seen sync.Map // one key
}

func (d *taker) Reload(ctx context.Context, version string) error {
	err := d.driver.Reload(ctx, version)
	if data, missing := os.ReadFile(d.path); err == nil && missing == nil {
		d.takes(string(data))
	}
	return err
}

func (d *taker) takes(content string) { d.seen.Store("", content) }

func (d *taker) has() string {
	content, _ := d.seen.Load("")
	return fmt.Sprint(content)
}

// crash keeps the directory of a bench as it is at a point of a rollout: a ctmpl that is
// killed then leaves just that.
type crash struct {
	b      *bench
	dir    string
	at     int      // which of the points, in the order in which they are reached
	points []string // that were reached; nil until it is armed
	armed  atomic.Bool
	has    func() string // what runs, of the kind that a kill of ctmpl does not touch
	had    string
}

func (c *crash) reached(point string) {
	if !c.armed.Load() {
		return
	}
	if c.points = append(c.points, point); len(c.points) == c.at+1 {
		c.keep()
	}
}

func (c *crash) keep() {
	c.had = c.has()
	c.copy(c.b.dir, c.dir)
}

func (c *crash) copy(from, to string) {
	if out, err := exec.Command("cp", "-a", from+"/.", to).CombinedOutput(); err != nil { // with its hard links
		c.b.t.Errorf("%v: %s", err, out)
	}
}

// restart has the next ctmpl find what the crash has left.
func (c *crash) restart(opt Options, spec Spec) {
	c.b.t.Helper()
	entries, err := os.ReadDir(c.b.dir)
	if err != nil {
		c.b.t.Fatal(err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(c.b.path(e.Name())); err != nil {
			c.b.t.Fatal(err)
		}
	}
	c.copy(c.dir, c.b.dir)
	_ = os.Remove(c.b.path("ran.fail"))
	c.b.store = watch.NewStore()
	c.b.store.Put(web(c.b.t), instances(3))
	c.b.start(opt, spec)
}

// rollback is one that is cut short at each of its points.
type rollback struct {
	name  string
	tells tells // in it
	fails bool  // the command, or the verification
	shape func(*bench, *Spec)
	last  string // of its points
}

// A ctmpl that is killed in a rollback, at whatever point, has rolled back and pinned when
// it starts again, or neither; and what is live then is what was reloaded last.
func TestACrashInARollback(t *testing.T) {
	noted := func(b *bench) rollout.Command {
		return rollout.Command{Args: []string{fmt.Sprintf("! test -e %s && cat %s > %s", b.path("ran.fail"), b.path("out"), b.path("sees"))}}
	}
	verified := func(b *bench, s *Spec) { s.Verify = noted(b) }
	plain := func(b *bench, s *Spec) { s.Target, s.Command = TargetSpec{}, noted(b) }
	for _, r := range []rollback{
		{name: "that works", last: "ended"},
		{name: "while nobody is there", tells: tells{reload: fmt.Errorf("driver %w", rollout.ErrNotRunning)}, last: "ended"},
		{name: "that fails its check", tells: tells{check: os.ErrInvalid}, last: "staged"},
		{name: "that is not taken over", tells: tells{reload: os.ErrInvalid}, last: "put back"},
		{name: "that does not work afterwards", fails: true, shape: verified, last: "reloaded"},
		{name: "of a plain target", shape: plain, last: "ended"},
		{name: "of a plain target that fails", fails: true, shape: plain, last: "committed 1"},
	} {
		t.Run(r.name, func(t *testing.T) {
			points := []string{""}
			for at := 0; at <= len(points); at++ { // the last time it is killed right after the reply
				synctest.Test(t, func(t *testing.T) { points = r.cutShort(t, at) })
			}
			if last := points[len(points)-1]; last != r.last {
				t.Errorf("the last point is %q, want %q", last, r.last)
			}
		})
	}
}

// cutShort rolls back, is killed at a point, starts again, and looks what there is then.
// It gives the points.
func (r rollback) cutShort(t *testing.T, at int) []string {
	b := newBench(t)
	d := &taker{path: b.path("out")}
	spec := b.spec("out", `{{ range service "web" }}x{{ end }}`)
	spec.Target = TargetSpec{Driver: d, DriverKey: "driver"}
	if r.shape != nil {
		r.shape(b, &spec)
	}
	c := &crash{b: b, dir: t.TempDir(), at: at, has: d.has}
	opt := Options{State: b.keep(), At: c.reached}
	b.start(opt, spec)
	b.three()
	if r.fails {
		b.let("ran", true)
	}
	d.tell(r.tells)
	c.armed.Store(true)
	reply := b.ask(AskRollback, "", 0)
	c.armed.Store(false)
	b.settle() // what comes after a reply that says no
	where, promised := "the reply "+reply, !strings.Contains(reply, "error")
	if at < len(c.points) {
		where, promised = c.points[at], false
	} else {
		b.engine.do(t.Context(), c.keep)
	}
	b.stop()
	d.tell(tells{})
	d.takes(c.had)
	c.restart(opt, spec)
	defer b.stop()
	time.Sleep(time.Minute)
	b.settle()
	b.rolledBackOrNot(where, promised)
	if got, has := b.read("out"), d.has(); spec.Target.Driver != nil && has != got {
		t.Errorf("killed after %s: %q is live, and %q was reloaded last", where, got, has)
	}
	if got, sees := b.read("out"), b.read("sees"); r.shape != nil && sees != got {
		t.Errorf("killed after %s: %q is live, and the command saw %q last", where, got, sees)
	}
	return c.points
}

// rolledBackOrNot checks that the target is rolled back and pinned, or neither; the former
// where that was promised.
func (b *bench) rolledBackOrNot(where string, promised bool) {
	b.t.Helper()
	out, states := b.read("out"), b.states()
	switch {
	case states == "out pinned rolled back to good output 2" && out == "xx":
	case states == "out live" && out == "xxx" && !promised:
	default:
		b.t.Errorf("killed after %s: %q is live, and the state is %q\nlog: %s", where, out, states, b.log)
	}
}
