package rollout

import (
	"encoding/binary"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// What somebody has changed is overwritten by the output of before, which is no new one.
func TestACrashWhileTheSameOutputComesBack(t *testing.T) {
	t.Parallel()
	for n := 1; ; n++ {
		r := newRig(t)
		r.roll("old")
		r.roll("good")
		if err := os.WriteFile(r.path("a"), []byte("edited a"), 0o640); err != nil {
			t.Fatal(err)
		}
		_ = r.said()
		point, done := r.kill("good", n)
		if done {
			if n < 9 {
				t.Errorf("only %d points", n)
			}
			return
		}
		r.reopen()
		r.target.Recover([]string{r.path("a"), r.path("b")})
		want := "edited a"
		if point == "kept" || point == "ended" {
			want = "good a"
		}
		if got := content(t, r.path("a")); got != want || r.target.Record.Last().Number != 2 {
			t.Errorf("killed at %q: a is %q, want %q; log: %s", point, got, want, r.log)
		}
	}
}

// The files of a plain target that is killed are not somebody else's, however often ctmpl
// starts until it can say that they are good.
func TestACrashOfAPlainRolloutIsNoDrift(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.plan.Undo = false
	r.roll("old")
	r.roll("one")
	if point, _ := r.kill("two", 4); point != "committed 1" {
		t.Fatalf("killed at %q", point)
	}
	both := []string{r.path("a"), r.path("b")}
	for range 3 {
		r.reopen()
		r.target.Recover(both)
		if drift := r.target.Drift(both); len(drift) > 0 || !r.target.Owes() {
			t.Errorf("drift: %q, owes %v", drift, r.target.Owes())
		}
	}
	r.roll("two")
	r.reopen()
	r.target.Recover(both)
	if drift := r.target.Drift(both); len(drift) > 0 || r.target.Owes() {
		t.Errorf("in the end: drift %q, owes %v", drift, r.target.Owes())
	}
}

// Files are synced, so they are there after a power failure. Where somebody else's changes
// are to be kept, the note that they may be ours has to be there, too.
func TestTheNoteLastsAsTheFilesDo(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ undo, durable, want bool }{{true, false, true}, {false, true, true}, {false, false, false}} {
		r := newRig(t)
		r.plan.Undo = tc.undo
		var opened func() bool
		synced := false
		r.target.At = func(p string) {
			switch p {
			case "checked":
				opened = watchOpen(t, r.target.Record.dir)
			case "noted":
				synced = opened()
			}
		}
		apply(t.Context(), Change{Target: r.target, Plan: r.plan, Files: r.files("new"), Durable: tc.durable})
		if synced != tc.want {
			t.Errorf("undo %v, durable %v: synced %v", tc.undo, tc.durable, synced)
		}
	}
}

// watchOpen watches a directory. What it gives tells whether that was opened since, which is
// what a sync of it takes.
func watchOpen(t *testing.T, dir string) (opened func() bool) {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_OPEN|unix.IN_ONLYDIR); err != nil {
		t.Fatal(err)
	}
	return func() bool {
		events := make([]byte, 64<<10)
		for n, _ := unix.Read(fd, events); n >= unix.SizeofInotifyEvent; {
			if binary.NativeEndian.Uint32(events[4:])&unix.IN_ISDIR != 0 {
				return true
			}
			size := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(events[12:]))
			events, n = events[size:], n-size
		}
		return false
	}
}
