package render

import (
	"bytes"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ctmpl/ctmpl/render/rollout"
)

// spaceless is what counts of a file in which spaces mean nothing.
func spaceless(content []byte) []byte { return bytes.ReplaceAll(content, []byte(" "), nil) }

// An output that means the same is written, and nothing is told of it.
func TestWhatMeansTheSameIsWrittenAndRunsNothing(t *testing.T) {
	t.Parallel()
	for name, target := range map[string]TargetSpec{"plain": {}, "transaction": {Group: "g"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b, calls := newBench(t), &counted{}
				spec := b.spec("out", `{{ key "a" }}`)
				spec.Command, spec.Target = b.noting("ran"), target
				spec.Target.Canonical = spaceless
				b.store.Put(keyQuery("a"), "12")
				b.start(calls.options(Options{State: b.keep()}), spec)
				defer b.stop()
				b.settle()
				calls.expect(t, "at the start", 1, 0)
				b.put(keyQuery("a"), "1 2")
				b.settle()
				b.expect("out", "1 2")
				b.expect("ran", "ran\n")
				calls.expect(t, "it means the same", 1, 0)
				b.put(keyQuery("a"), "1 3")
				b.settle()
				b.expect("out", "1 3")
				b.expect("ran", "ran\nran\n")
				calls.expect(t, "it means something else", 1, 1)
				b.expectStates(map[string]string{"plain": "out live", "transaction": "g live"}[name])
			})
		})
	}
}

// What is owed from before is not forgotten for an output that means the same.
func TestWhatMeansTheSameDoesNotEndWhatIsOwed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, calls := newBench(t), &counted{}
		spec := b.spec("out", `{{ key "a" }}`)
		spec.Command, spec.Target.Canonical = b.noting("ran"), spaceless
		b.store.Put(keyQuery("a"), "12")
		b.start(calls.options(Options{State: b.keep()}), spec)
		defer b.stop()
		b.settle()
		b.let("ran", true)
		b.put(keyQuery("a"), "13")
		b.settle()
		b.put(keyQuery("a"), "1 3")
		b.settle()
		b.expect("out", "1 3")
		calls.expect(t, "the command failed", 1, 0)
		b.let("ran", false)
		time.Sleep(time.Minute)
		b.settle()
		calls.expect(t, "the command has run", 1, 1)
		runs := b.runs("ran")
		time.Sleep(time.Hour)
		b.settle()
		if n := b.runs("ran") - runs; n != 0 {
			t.Errorf("it ran %d times more", n)
		}
	})
}

// At the start what is there stands for an output that is bad: a supervised program can
// start with it. Without one it cannot.
func TestABadOutputAtTheStart(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		there    []string
		complete int32
	}{
		{"with both files in place", []string{"one", "two"}, 1},
		{"with one of two", []string{"one"}, 0},
		{"with none", nil, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b, calls := newBench(t), &counted{}
				for _, name := range tc.there {
					if err := os.WriteFile(b.path(name), []byte("before"), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				one, two := b.spec("one", `{{ key "a" }}`), b.spec("two", `{{ key "a" }}`)
				one.Target = TargetSpec{Group: "g", Check: rollout.Command{Args: []string{"grep -q good " + `{{ .Staged }}`}}}
				two.Target = one.Target
				b.store.Put(keyQuery("a"), "bad")
				b.start(calls.options(Options{State: b.keep()}), one, two)
				defer b.stop()
				time.Sleep(24 * time.Hour)
				b.settle()
				calls.expect(t, "it is bad", tc.complete, 0)
				b.count("step=check", 1)
				b.put(keyQuery("a"), "good")
				b.settle()
				b.expect("one", "good")
				b.expect("two", "good")
				calls.expect(t, "it is good", 1, tc.complete)
			})
		})
	}
}
