package render

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Whatever becomes of outputs, those that are kept and those that are tried again later are what they were,
// though others are made in their memory.
func TestOutputsAreWrittenOver(t *testing.T) {
	for seed := range 8 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { writeOver(t, rand.New(rand.NewPCG(uint64(seed), 1))) })
		})
	}
}

func writeOver(t *testing.T, random *rand.Rand) {
	b := newBench(t)
	b.mkdir("1")
	b.mkdir("2")
	point := func(dir string) { // where the destination really is
		_ = os.Remove(b.path("new"))
		if err := os.Symlink(filepath.Join(dir, "out"), b.path("new")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(b.path("new"), b.path("out")); err != nil {
			t.Fatal(err)
		}
	}
	point("1")
	spec := b.guarded("out")
	spec.Contents, spec.Hold = `{{ range service "web" }}{{ key "a" }}{{ end }}`, 3*time.Second
	if random.IntN(2) > 0 {
		spec.Command = b.noting("ran")
	}
	state := b.keep()
	b.start(Options{State: state}, spec)
	fails := false // the command
	for i := range 200 {
		switch random.IntN(12) {
		case 0:
			time.Sleep(time.Duration(random.IntN(3000)) * time.Millisecond)
		case 1:
			point(fmt.Sprint(1 + random.IntN(2)))
		case 2:
			fails = !fails
			b.let("ran", fails)
		}
		n := []int{5, 5, 5, 5, 0, 1, 4}[random.IntN(7)] // 0 and 1 are held for a while
		value := fmt.Sprint(i, strings.Repeat(".", random.IntN(40)), ";")
		b.store.Put(web(t), instances(n))
		b.put(keyQuery("a"), value)
		b.settle()
	}
	if fails {
		b.let("ran", false)
	}
	b.store.Put(web(t), instances(5))
	b.put(keyQuery("a"), "last;")
	time.Sleep(5 * time.Minute)
	b.settle()
	b.stop()
	b.expect("out", strings.Repeat("last;", 5))
	if b.engine.units[0].spare() == nil {
		t.Error("there is no output to be written over")
	}
	record, err := state.Open(spec.File.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer record.Close()
	all, err := record.Generations()
	if err != nil || len(all) == 0 {
		t.Fatal(all, err)
	}
	for _, g := range all {
		files, err := record.Restore(g.Number)
		if err != nil {
			t.Error(err)
		}
		for _, f := range files {
			value, _, _ := strings.Cut(string(f.Content), ";")
			if rest := strings.ReplaceAll(string(f.Content), value+";", ""); rest != "" {
				t.Errorf("the good output %d was never made: %q", g.Number, f.Content)
			}
		}
	}
}
