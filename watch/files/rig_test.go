package files_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ctmpl/ctmpl/watch/files"
)

// deadline bounds the wait for one event.
const deadline = 20 * time.Second

// rig is a watcher that watches files in a directory of its own.
type rig struct {
	t      *testing.T
	dir    string
	w      *files.Watcher
	events chan string // paths below dir, as they are reported
	group  sync.WaitGroup
	signs  int
}

// sentinel is a file whose changes show that everything before has been looked at.
const sentinel = "sentinel"

// newRig makes a watcher that does not run yet.
func newRig(t *testing.T) *rig {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, dir: dir, w: files.New(slog.New(slog.DiscardHandler)), events: make(chan string, 1000)}
	r.w.SetSettle(5 * time.Millisecond) // a test waits for it many times
	r.write(sentinel, "0")
	return r
}

// watch watches paths below the directory, and the sentinel.
func (r *rig) watch(paths ...string) {
	abs := []string{r.path(sentinel)}
	for _, p := range paths {
		abs = append(abs, r.path(p))
	}
	r.w.Watch("test", abs, r.report)
}

func (r *rig) report(path string) {
	below, err := filepath.Rel(r.dir, path)
	r.check(err)
	r.events <- below
}

// run starts the watcher, and returns when it has looked at all files.
func (r *rig) run() {
	ctx, cancel := context.WithCancel(context.Background())
	r.group.Go(func() { r.w.Run(ctx) })
	r.t.Cleanup(func() { cancel(); r.group.Wait() })
	r.nothing()
}

// start is watch and run.
func (r *rig) start(paths ...string) {
	r.t.Helper()
	r.watch(paths...)
	r.run()
}

// next gives the next event.
func (r *rig) next() string {
	r.t.Helper()
	select {
	case e := <-r.events:
		return e
	case <-time.After(deadline):
		r.t.Fatal("no event")
		return ""
	}
}

// expect waits for one event on path, and sees that it is the only one.
func (r *rig) expect(path string) {
	r.t.Helper()
	if got := r.next(); got != path {
		r.t.Errorf("an event on %s, want one on %s", got, path)
	}
	r.nothing()
}

// expectSome waits for events on path, at least one, since what happened may be seen
// half-way.
func (r *rig) expectSome(path string) {
	r.t.Helper()
	if got := r.next(); got != path {
		r.t.Errorf("an event on %s, want one on %s", got, path)
	}
	r.drain(path)
}

// nothing sees that there is no event: it makes one on the sentinel, and another one
// after it, since those of one look come in any order.
func (r *rig) nothing() {
	r.t.Helper()
	r.drain("")
}

// drain takes the events up to now, which may only be on path.
func (r *rig) drain(path string) {
	r.t.Helper()
	for range 2 {
		r.signs++
		r.replace(sentinel, strconv.Itoa(r.signs)) // not in place, which can be seen half-way
		for e := r.next(); e != sentinel; e = r.next() {
			if e != path {
				r.t.Errorf("unexpected event on %s", e)
			}
		}
	}
}

func (r *rig) check(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) path(below string) string { return filepath.Join(r.dir, below) }

// write writes a file in place.
func (r *rig) write(name, content string) {
	r.t.Helper()
	r.check(os.WriteFile(r.path(name), []byte(content), 0o644))
}

// overwrite writes into a file that is as long, and never empty in between.
func (r *rig) overwrite(name, content string) {
	r.t.Helper()
	f, err := os.OpenFile(r.path(name), os.O_WRONLY, 0)
	r.check(err)
	_, err = f.WriteString(content)
	r.check(errors.Join(err, f.Close()))
}

// replace writes a new file and renames it over the old one.
func (r *rig) replace(name, content string) {
	r.t.Helper()
	r.write(name+".new~", content)
	r.rename(name+".new~", name)
}

func (r *rig) rename(from, to string) {
	r.t.Helper()
	r.check(os.Rename(r.path(from), r.path(to)))
}

func (r *rig) mkdir(name string) {
	r.t.Helper()
	r.check(os.MkdirAll(r.path(name), 0o755))
}

func (r *rig) remove(name string) {
	r.t.Helper()
	r.check(os.RemoveAll(r.path(name)))
}

// link makes a symbolic link, or switches it as ln -sfn does.
func (r *rig) link(target, name string) {
	r.t.Helper()
	temp := r.path(name) + ".link~"
	r.check(os.Symlink(target, temp))
	r.check(os.Rename(temp, r.path(name)))
}

// has checks the content of a file, by the path that is watched.
func (r *rig) has(name, want string) {
	r.t.Helper()
	got, err := os.ReadFile(r.path(name))
	if errors.Is(err, os.ErrNotExist) && want == "" {
		return
	}
	r.check(err)
	if string(got) != want {
		r.t.Errorf("%s holds %q, want %q", name, got, want)
	}
}
