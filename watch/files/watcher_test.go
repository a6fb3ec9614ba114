package files_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/ctmpl/ctmpl/watch/files"
)

func TestWaysToChangeAFile(t *testing.T) {
	for name, change := range map[string]func(r *rig){
		"in place":       func(r *rig) { r.write("f", "new") },
		"renamed over":   func(r *rig) { r.replace("f", "new") },
		"as vim does it": func(r *rig) { r.rename("f", "f~"); r.write("f", "new"); r.remove("f~") },
		"deleted":        func(r *rig) { r.remove("f") },
		"moved away":     func(r *rig) { r.rename("f", "g") },
		"emptied":        func(r *rig) { r.write("f", "") },
		"grown": func(r *rig) {
			f, err := os.OpenFile(r.path("f"), os.O_APPEND|os.O_WRONLY, 0)
			r.check(err)
			_, err = f.WriteString("more")
			r.check(errors.Join(err, f.Close()))
		},
		"made a directory": func(r *rig) { r.remove("f"); r.mkdir("f") },
		"made a link":      func(r *rig) { r.write("g", "new"); r.link("g", "f") },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.write("f", "old")
			r.start("f")
			change(r)
			r.expectSome("f")
			r.remove("f")
			r.drain("f")
			r.write("f", "again")
			r.expectSome("f")
			r.write("f", "and again")
			r.expectSome("f")
		})
	}
}

func TestEqualContentIsNoChange(t *testing.T) {
	for name, change := range map[string]func(r *rig){
		"written again":    func(r *rig) { r.overwrite("f", "old") },
		"replaced":         func(r *rig) { r.replace("f", "old") },
		"touched":          func(r *rig) { r.check(os.Chtimes(r.path("f"), time.Now(), time.Now())) },
		"mode":             func(r *rig) { r.check(os.Chmod(r.path("f"), 0o600)) },
		"link to an equal": func(r *rig) { r.write("g", "old"); r.link("g", "f") },
		"there and back":   func(r *rig) { r.replace("f", "new"); r.replace("f", "old") },
		"another file":     func(r *rig) { r.write("g", "new"); r.mkdir("h"); r.remove("g") },
		"read":             func(r *rig) { r.has("f", "old") },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.write("f", "old")
			r.start("f")
			change(r)
			if name == "there and back" { // in between somebody may have looked
				r.drain("f")
				return
			}
			r.nothing()
		})
	}
}

func TestMissingFileAppears(t *testing.T) {
	r := newRig(t)
	r.start("f", "a/b/c/f", "a/x")
	r.write("f", "")
	r.expect("f")
	r.mkdir("a/b/c")
	r.nothing()
	r.write("a/b/c/f", "new")
	r.expectSome("a/b/c/f")
	r.remove("a")
	r.expect("a/b/c/f")
	for _, dir := range []string{"a", "a/b", "a/b/c"} { // and once more, step by step
		r.mkdir(dir)
		r.nothing()
	}
	r.write("a/b/c/f", "newer")
	r.expectSome("a/b/c/f")
	r.write("a/x", "new")
	r.expectSome("a/x")
}

// A whole tree appears at once, or is moved to its place.
func TestDirectoriesAreMoved(t *testing.T) {
	r := newRig(t)
	r.mkdir("b/c")
	r.write("b/c/f", "1")
	r.start("a/c/f")
	r.rename("b", "a")
	r.expect("a/c/f")
	r.write("a/c/f", "2")
	r.expectSome("a/c/f")

	// The next version is prepared beside it, and takes its place.
	r.mkdir("next/c")
	r.write("next/c/f", "3")
	r.nothing()
	r.rename("a", "last")
	r.rename("next", "a")
	r.expectSome("a/c/f")
	r.has("a/c/f", "3")
	r.write("last/c/f", "of before")
	r.nothing()
	r.write("a/c/f", "4")
	r.expectSome("a/c/f")

	// The same with the directory itself.
	r.mkdir("a/d")
	r.write("a/d/f", "5")
	r.rename("a/c", "a/b")
	r.rename("a/d", "a/c")
	r.expectSome("a/c/f")
	r.has("a/c/f", "5")
	r.replace("a/c/f", "6")
	r.expect("a/c/f")
	r.remove("a")
	r.expect("a/c/f")
}

func TestLinks(t *testing.T) {
	for _, absolute := range []bool{false, true} {
		r := newRig
		t.Run(map[bool]string{false: "relative", true: "absolute"}[absolute], func(t *testing.T) {
			r := r(t)
			to := func(name string) string {
				if absolute {
					return r.path(name)
				}
				return name
			}
			r.mkdir("d1")
			r.mkdir("d2")
			r.write("d1/f", "1")
			r.write("d2/f", "2")
			r.link(to("d1"), "d")
			r.link(to("d"), "dd") // a link to a link
			r.link(to("d1/f"), "f")
			r.start("d/f", "dd/f", "f")

			r.write("d1/f", "1a")
			r.drainEach("d/f", "dd/f", "f")
			r.link(to("d2"), "d")
			r.drainEach("d/f", "dd/f")
			r.replace("d2/f", "2a")
			r.drainEach("d/f", "dd/f")
			r.link(to("d2/f"), "f")
			r.drainEach("f")
			r.write("d1/f", "nobody looks here any more")
			r.nothing()
			r.remove("d2/f")
			r.drainEach("d/f", "dd/f", "f")
			r.write("d2/f", "2b")
			r.drainEach("d/f", "dd/f", "f")
			r.remove("d")
			r.drainEach("d/f", "dd/f")
			r.mkdir("d")
			r.write("d/f", "3")
			r.drainEach("d/f", "dd/f")
		})
	}
}

// drainEach waits for an event on each of the paths, and takes further ones on them.
func (r *rig) drainEach(paths ...string) {
	r.t.Helper()
	missing := map[string]bool{}
	for _, p := range paths {
		missing[p] = true
	}
	for {
		all := true
		for _, m := range missing {
			all = all && !m
		}
		if all {
			break
		}
		e := r.next()
		if _, ok := missing[e]; !ok {
			r.t.Fatalf("unexpected event on %s", e)
		}
		missing[e] = false
	}
	for range 2 {
		r.signs++
		r.replace(sentinel, strconv.Itoa(r.signs))
		for e := r.next(); e != sentinel; e = r.next() {
			if _, ok := missing[e]; !ok {
				r.t.Errorf("unexpected event on %s", e)
			}
		}
	}
}

func TestLinkLoop(t *testing.T) {
	r := newRig(t)
	r.link("b", "a")
	r.link("a", "b")
	r.start("a", "a/f")
	r.write("c", "content")
	r.link("c", "b")
	r.drainEach("a", "a/f") // the latter is missing for another reason now
}

// Kubernetes mounts a volume as links into ..data, which is a link to a directory
// with the time in its name; a new version switches that link.
func TestKubernetesVolume(t *testing.T) {
	r := newRig(t)
	r.mkdir("vol/..2024_01")
	r.write("vol/..2024_01/f", "1")
	r.write("vol/..2024_01/same", "same")
	r.link("..2024_01", "vol/..data")
	r.link("..data/f", "vol/f")
	r.link("..data/same", "vol/same")
	r.start("vol/f", "vol/same", "vol")
	for _, version := range []string{"2", "3"} {
		dir := "vol/..2024_0" + version
		r.mkdir(dir)
		r.write(dir+"/f", version)
		r.write(dir+"/same", "same")
		r.link("..2024_0"+version, "vol/..data")
		r.remove("vol/..2024_0" + string(version[0]-1))
		r.drainEach("vol/f", "vol")
		r.has("vol/f", version)
	}
}

func TestDirectory(t *testing.T) {
	r := newRig(t)
	r.mkdir("conf.d/sub")
	r.mkdir("available")
	r.write("conf.d/a.hcl", "1")
	r.write("available/b.hcl", "1")
	r.start("conf.d")
	for name, change := range map[string]func(){
		"in place": func() { r.write("conf.d/a.hcl", "2") },
		"replaced": func() { r.replace("conf.d/a.hcl", "3") },
		"added":    func() { r.write("conf.d/c.hcl", "") },
		"linked":   func() { r.link("../available/b.hcl", "conf.d/b.hcl") },
	} {
		change()
		r.expectSome("conf.d")
		t.Log("seen:", name)
	}
	r.write("available/b.hcl", "2") // through the link
	r.expectSome("conf.d")
	r.rename("conf.d/c.hcl", "conf.d/d.hcl")
	r.expectSome("conf.d")
	r.remove("conf.d/b.hcl")
	r.expectSome("conf.d")
	r.write("available/b.hcl", "3")
	r.nothing()

	// What is not read from a directory does not count.
	r.write("conf.d/.a.hcl.swp", "of an editor")
	r.mkdir("conf.d/.hidden")
	r.write("conf.d/.hidden/x.hcl", "of a hidden directory")
	r.link("../available", "conf.d/linked")
	r.write("available/x.hcl", "of a linked directory")
	r.mkdir("conf.d/sub2/deeper")
	r.nothing()

	// What is in the directories below it does, also where they appear later.
	for _, name := range []string{"sub/x.hcl", "sub2/deeper/y.hcl"} {
		r.write("conf.d/"+name, "1")
		r.expectSome("conf.d")
		r.replace("conf.d/"+name, "2")
		r.expectSome("conf.d")
	}
	r.rename("conf.d/sub2", "conf.d/sub3")
	r.expectSome("conf.d")

	r.rename("conf.d", "old.d")
	r.expectSome("conf.d")
	r.mkdir("conf.d")
	r.drain("conf.d") // an empty one is not a missing one
	r.write("conf.d/a.hcl", "1")
	r.expectSome("conf.d")
}

// What happens while a report is being dealt with is reported once, as it is then.
func TestBurstIsOneEvent(t *testing.T) {
	r := newRig(t)
	r.write("f", "old")
	hold, held := make(chan struct{}), make(chan struct{}, 1)
	r.start("f")
	r.w.Watch("slow", []string{r.path("slow")}, func(string) { held <- struct{}{}; <-hold })
	r.write("slow", "new")
	select {
	case <-held:
	case <-time.After(deadline):
		t.Fatal("no event")
	}
	for i := range 300 {
		r.write("f", string(rune('a'+i%26)))
		if i%50 == 0 {
			r.replace("f", "x")
		}
	}
	r.write("f", "last")
	close(hold)
	r.expect("f")
	r.has("f", "last")
}

// Events that do not stop are no reason to report nothing.
func TestSteadyStreamOfChanges(t *testing.T) {
	r := newRig(t)
	r.w.SetSettle(time.Hour)
	r.write("f", "old")
	r.start("f")
	for start := time.Now(); time.Since(start) < deadline; {
		r.write("f", time.Now().String())
		select {
		case e := <-r.events:
			if e != "f" {
				t.Errorf("unexpected event on %s", e)
			}
			r.drain("f")
			return
		default:
		}
	}
	t.Fatal("nothing was reported")
}

func TestGroups(t *testing.T) {
	r := newRig(t)
	r.write("f", "1")
	r.write("g", "1")
	r.start("f")
	other := make(chan string, 100)
	r.w.Watch("other", []string{r.path("f"), r.path("g")}, func(p string) { other <- p })
	r.write("f", "2")
	r.expectSome("f")
	select {
	case got := <-other:
		if got != r.path("f") {
			t.Errorf("the other group heard of %s", got)
		}
	case <-time.After(deadline):
		t.Fatal("the other group heard nothing")
	}

	// A group that is set anew knows what was reported, and nothing of other paths.
	r.write("f", "3")
	r.w.Watch("test", []string{r.path("f"), r.path("g"), r.path(sentinel)}, r.report)
	r.expectSome("f")
	r.w.Watch("test", []string{r.path("g"), r.path(sentinel)}, r.report)
	r.write("f", "4")
	r.nothing()
	r.write("g", "2")
	r.expectSome("g")
	r.w.Watch("other", nil, nil)
	r.write("g", "3")
	r.expectSome("g")
}

// The notifications are those of the files that are watched now.
func TestNotificationsAreGivenBack(t *testing.T) {
	r := newRig(t)
	r.mkdir("a/b")
	r.mkdir("c")
	r.write("a/b/f", "1")
	r.write("c/f", "1")
	has := func(want ...string) {
		t.Helper()
		r.nothing()
		var got []string
		for _, dir := range r.w.Watched() {
			if below, err := filepath.Rel(r.dir, dir); err == nil && filepath.IsLocal(below) {
				got = append(got, below)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("notifications of %q, want %q", got, want)
		}
	}
	r.start("a/b/f")
	has(".", "a", "a/b")
	r.watch("c/f", "c")
	has(".", "c")
	r.watch("d/e/f")
	has(".")
	r.mkdir("d/e")
	has(".", "d", "d/e")
	r.remove("d")
	has(".")
}

// What changes before Run starts is seen.
func TestChangeBeforeRun(t *testing.T) {
	r := newRig(t)
	r.write("f", "1")
	r.watch("f")
	r.write("f", "2")
	ctx, cancel := context.WithCancel(context.Background())
	r.group.Go(func() { r.w.Run(ctx) })
	t.Cleanup(func() { cancel(); r.group.Wait() })
	if got := r.next(); got != "f" {
		t.Errorf("an event on %s", got)
	}
}

// notRoot skips a test on files that cannot be read, which root can.
func notRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() == 0 {
		t.Skip("root can read everything")
	}
}

func TestUnreadableFile(t *testing.T) {
	notRoot(t)
	r := newRig(t)
	r.write("f", "1")
	r.start("f")
	r.check(os.Chmod(r.path("f"), 0))
	r.expectSome("f")
	r.check(os.Chmod(r.path("f"), 0o600))
	r.expectSome("f")
}

// A directory on the way that may be passed through, but not read, as a home
// directory often is.
func TestUnreadableDirectoryOnTheWay(t *testing.T) {
	notRoot(t)
	r := newRig(t)
	log := &lines{}
	r.w = files.New(slog.New(log))
	r.mkdir("home/dir")
	r.write("home/dir/f", "1")
	r.check(os.Chmod(r.path("home"), 0o311))
	t.Cleanup(func() { _ = os.Chmod(r.path("home"), 0o755) })
	r.start("home/dir/f")
	r.replace("home/dir/f", "2")
	r.expect("home/dir/f")
	if got := log.take(); len(got) > 0 {
		t.Errorf("logged %q", got)
	}
}

// A pipe must not be read: that takes its content away, and waits for more.
func TestPipe(t *testing.T) {
	r := newRig(t)
	r.check(syscall.Mkfifo(r.path("pipe"), 0o600))
	r.start("pipe")
	r.replace("pipe", "a file now")
	r.expectSome("pipe")
}

func TestPolling(t *testing.T) {
	for name, notify := range map[string]func() (*fsnotify.Watcher, error){
		"no notifications": func() (*fsnotify.Watcher, error) { return nil, errors.New("too many open files") },
		"no watches left": func() (*fsnotify.Watcher, error) {
			w, err := fsnotify.NewWatcher()
			if err == nil {
				w.Close() // so that adding a watch fails
			}
			return w, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			log := &lines{}
			r.w = files.New(slog.New(log))
			r.w.SetNotify(notify, 5*time.Millisecond)
			r.write("f", "1")
			r.start("f", "a/b")
			r.replace("f", "2")
			r.expectSome("f")
			r.mkdir("a")
			r.write("a/b", "1")
			r.expectSome("a/b")
			if got := log.take(); len(got) != 1 {
				t.Errorf("logged %q, want one line", got)
			}
		})
	}
}

// A directory that goes away at the wrong moment is no reason to poll.
func TestVanishingDirectoryIsNotPolled(t *testing.T) {
	r := newRig(t)
	log := &lines{}
	r.w = files.New(slog.New(log))
	r.start("a/b/f")
	for range 200 {
		r.mkdir("a/b")
		r.w.Watch("other", nil, nil) // has it look now
		r.remove("a")
	}
	r.drain("")
	if got := log.take(); len(got) > 0 {
		t.Errorf("logged %q", got)
	}
}
