package render

import (
	"context"
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

// judge is a driver whose check looks at what is staged, by the names of the files.
type judge struct {
	driver
	check func(staged map[string]string) error
}

func (j *judge) Check(_ context.Context, staged []rollout.Staged) error {
	contents := map[string]string{}
	for _, s := range staged {
		text, err := os.ReadFile(s.Staged)
		if err != nil {
			return err
		}
		contents[filepath.Base(s.Path)] = string(text)
	}
	return j.check(contents)
}

// abc are three templates of one driver: each prints the key "all", and one of its own.
func (b *bench) abc(d rollout.Driver) []Spec {
	var specs []Spec
	b.store.Put(keyQuery("all"), "1")
	for _, name := range []string{"a", "b", "c"} {
		b.store.Put(keyQuery(name), "1")
		spec := b.spec(name, fmt.Sprintf(`{{ key "all" }} {{ key %q }}`, name))
		spec.Target = TargetSpec{Driver: d, DriverKey: "driver"}
		specs = append(specs, spec)
	}
	return specs
}

var errBad = &rollout.BadError{Err: errors.New("bad")}

func TestOneByOneWhatFailsForAMomentIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		hiccups := 0
		d := &judge{check: func(staged map[string]string) error {
			if strings.Contains(staged["b"], "bad") {
				return errBad
			}
			if len(staged) == 1 && staged["a"] != "" && hiccups == 0 {
				hiccups++
				return errors.New("it took too long")
			}
			return nil
		}}
		b.start(Options{}, b.abc(d)...)
		defer b.stop()
		b.settle()
		b.store.Put(keyQuery("b"), "bad")
		b.put(keyQuery("all"), "2")
		time.Sleep(10 * time.Minute)
		b.settle()
		b.expect("a", "2 1")
		b.expect("b", "1 1")
		b.expect("c", "2 1")
		if hiccups != 1 {
			t.Errorf("%d hiccups", hiccups)
		}
	})
}

func TestOneByOneATemplateMayNeedALaterOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		d := &judge{}
		d.check = func(staged map[string]string) error {
			upstream, is := staged["b"]
			if !is {
				upstream = b.read("b")
			}
			if strings.Contains(staged["c"], "bad") || strings.HasPrefix(staged["a"], "new") && !strings.HasPrefix(upstream, "new") {
				return errBad
			}
			return nil
		}
		b.start(Options{}, b.abc(d)...)
		defer b.stop()
		b.settle()
		b.store.Put(keyQuery("c"), "bad")
		b.put(keyQuery("all"), "new")
		time.Sleep(time.Minute)
		b.expect("b", "new 1")
		b.expect("a", "new 1")
		b.expect("c", "1 1")
	})
}

// With once a bad template fails the whole, whichever place it has.
func TestOneByOneWithOnce(t *testing.T) {
	for _, bad := range []string{"a", "b", "c"} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			specs := b.abc(&picky{word: "bad"})
			b.store.Put(keyQuery(bad), "bad")
			if err := b.once(specs...); !errors.Is(err, ErrFailed) {
				t.Errorf("%s is bad: got %v", bad, err)
			}
			for _, name := range []string{"a", "b", "c"} {
				if name == bad {
					b.expect(name, "none")
				} else {
					b.expect(name, "1 1")
				}
			}
		})
	}
}

func TestWhatWasBadIsJudgedAnew(t *testing.T) {
	for _, reread := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			d := &picky{word: "bad"}
			spec := b.spec("out", `{{ key "a" }}`)
			spec.Target = TargetSpec{Driver: d, DriverKey: "driver"}
			b.store.Put(keyQuery("a"), "bad")
			b.start(Options{}, spec)
			defer b.stop()
			b.settle()
			b.put(keyQuery("a"), "good")
			b.settle()
			b.expect("out", "good")
			d.mu.Lock()
			d.word = "worse"
			d.mu.Unlock()
			if reread {
				b.engine.Configure(t.Context(), []Spec{spec})
			}
			b.put(keyQuery("a"), "bad")
			time.Sleep(time.Minute)
			b.expect("out", "bad")
		})
	}
}

func TestWhatWaitsAndFailsForAMomentGoesLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		d := &driver{}
		b.start(Options{State: b.keep()}, b.driven("out", d))
		defer b.stop()
		b.put(web(t), instances(1))
		b.settle()
		d.tell(tells{reload: fmt.Errorf("driver %w", rollout.ErrNotRunning)})
		b.put(web(t), instances(2))
		time.Sleep(10 * time.Second)
		b.expect("out", "xx")
		d.tell(tells{reload: errors.New("no new worker")})
		time.Sleep(2 * time.Second)
		d.tell(tells{})
		before := d.counted().reloads
		time.Sleep(10 * time.Minute)
		b.expect("out", "xx")
		if d.counted().reloads == before {
			t.Error("it is not reloaded")
		}
	})
}

func TestGuardsKnowWhatWaitedForItsReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		d := &driver{tells: tells{reload: fmt.Errorf("driver %w", rollout.ErrNotRunning)}}
		spec := b.guarded("out")
		spec.Hold, spec.Target = -1, TargetSpec{Driver: d, DriverKey: "driver"}
		b.start(Options{State: b.keep()}, spec)
		b.put(web(t), instances(8))
		time.Sleep(3 * time.Second)
		d.tell(tells{})
		time.Sleep(3 * time.Second)
		b.stop()
		b.start(Options{State: b.keep()}, spec)
		defer b.stop()
		b.put(web(t), instances(1))
		b.settle()
		b.expect("out", "xxxxxxxx")
	})
}

func TestARollbackExpectsNoVersionOfWhatItReplaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		d := &versioned{b: b}
		spec := b.spec("out", `{{ key "a" }} {{ configVersion }}`)
		spec.Target = TargetSpec{Driver: d, DriverKey: "driver"}
		b.store.Put(keyQuery("a"), "1")
		b.start(Options{State: b.keep()}, spec)
		defer b.stop()
		b.settle()
		b.put(keyQuery("a"), "2")
		b.settle()
		if got := b.ask(AskRollback, "", 0); !strings.HasPrefix(got, "rolled back to good output 1") {
			t.Error(got)
		}
	})
}

// versioned is a driver that finds the version it expects in what is live, or says no.
type versioned struct {
	driver
	b *bench
}

func (v *versioned) Reload(_ context.Context, version string) error {
	if !strings.Contains(v.b.read("out"), version) {
		return errors.New("another version is served")
	}
	return nil
}
