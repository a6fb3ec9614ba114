package rollout

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// good checks what is kept as the last good output, and that nothing seems to be changed
// by somebody else.
func (r *rig) good(a, b string) {
	r.Helper()
	last := r.target.Record.Last()
	if last == nil {
		r.Fatal("nothing is kept")
	}
	files, err := r.target.Record.Restore(last.Number)
	if err != nil || len(files) != 2 || string(files[0].Content) != a || string(files[1].Content) != b {
		r.Errorf("kept %+v, %v", files, err)
	}
	if drift := r.target.Drift([]string{r.path("a"), r.path("b")}); len(drift) > 0 {
		r.Errorf("drift: %q", drift)
	}
}

func TestAPlainRolloutThatSucceedsLaterIsKept(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.plan = Plan{Commands: []Command{{Args: []string{"test -e " + r.path("state/ok")}}}}
	if out := r.roll("new"); len(out.Errs) != 1 || r.target.Record.Last() != nil {
		t.Fatalf("got %+v", out)
	}
	if err := os.WriteFile(r.path("state/ok"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if out := r.roll(""); len(out.Errs) > 0 {
		t.Fatal(out.Errs)
	}
	r.good("new a", "new b")
}

func TestAPlainRolloutWhoseFilesComeOneByOneIsKept(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.plan = Plan{Commands: []Command{{Args: []string{"true"}}}}
	both := r.files("new")
	both[1].Template = both[0].Template // of one template
	_ = os.Remove(r.path("b"))
	_ = os.Mkdir(r.path("b"), 0o755)
	change := Change{Target: r.target, Plan: r.plan, Files: both, Templates: []string{r.path("a")}}
	out := apply(t.Context(), change)[r.target]
	if len(out.Unwritten) != 1 {
		t.Fatalf("got %+v", out)
	}
	_ = os.Remove(r.path("b"))
	change.Files = out.Unwritten
	apply(t.Context(), change)
	r.good("new a", "new b")
}

func TestAReloadThatIsOwedSurvivesALaterFailure(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.target.Owe()
	r.plan = Plan{Undo: true, Driver: &fake{reload: fmt.Errorf("because: %w", ErrKept)}}
	if out := r.roll("new"); !out.Undone || !r.target.Owes() {
		t.Errorf("got %+v, owes %v", out, r.target.Owes())
	}
	r.reopen()
	if r.target.Recover(nil); !r.target.Owes() {
		t.Error("the next process does not know")
	}
}

func TestALeftOverDoesNotComeBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, name := range []string{".a.ctmpl-undo", ".b.ctmpl-undo"} {
		if err := os.WriteFile(r.path(name), []byte("long ago"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r.plan.Verifies = []Command{{Args: []string{"false"}}}
	r.roll("new")
	_ = r.said()
	r.live("old")
}

func TestWhatSomebodyElseHasChangedAfterACrashStays(t *testing.T) {
	t.Parallel()
	for _, edit := range []string{"a", "c"} { // one that was there, and one that was not
		r := newRig(t)
		crash := func() {
			defer func() { _ = recover() }()
			r.target.At = func(p string) {
				if p == "reloaded" {
					panic(errKilled)
				}
			}
			files := append(r.files("new"), File{Path: r.path("c"), Content: []byte("new c"), UID: -1, GID: -1})
			apply(t.Context(), Change{Target: r.target, Plan: r.plan, Files: files})
		}
		crash()
		if err := os.WriteFile(r.path(edit), []byte("by hand"), 0o644); err != nil {
			t.Fatal(err)
		}
		r.reopen()
		r.target.Recover([]string{r.path("a"), r.path("b"), r.path("c")})
		if got := content(t, r.path(edit)); got != "by hand" {
			t.Errorf("%s is %q", edit, got)
		}
		if got := content(t, r.path("b")); got != "old b" {
			t.Errorf("b is %q", got)
		}
		if !r.target.Owes() || !strings.Contains(r.log.String(), "somebody else has changed it since") {
			t.Errorf("log: %s", r.log)
		}
	}
}

func TestAJournalThatCannotBeReadLosesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if err := os.WriteFile(r.target.Record.path("pending.json"), []byte("{torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.path(".a.ctmpl-undo"), []byte("old a"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.target.Recover([]string{r.path("a")})
	if content(t, r.path(".a.ctmpl-undo")) != "old a" || !r.target.Owes() {
		t.Error("the file before is gone, or nothing is owed")
	}
}

func TestUndoOfWhatIsChangedInPlace(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		file  File
		after string // what somebody else does before the undo
		want  string
	}{
		{"appended", File{Append: true, Content: []byte(" more"), Mode: 0o600}, "", "old"},
		{"appended, and more by others", File{Append: true, Content: []byte(" more")}, "old more and more", "old more and more"},
		{"mode", File{Content: []byte("old"), Mode: 0o600}, "", "old"},
		{"replaced by others", File{Content: []byte("new")}, "by hand", "by hand"},
	} {
		path := filepath.Join(t.TempDir(), "out")
		if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
			t.Fatal(err)
		}
		tc.file.Path, tc.file.UID, tc.file.GID = path, -1, -1
		s, err := tc.file.stage()
		if err != nil {
			t.Fatal(err)
		}
		u, err := s.save()
		if err == nil {
			err = s.commit(quiet)
		}
		if err != nil {
			t.Fatal(err)
		}
		s.close()
		if tc.after != "" {
			if err := os.WriteFile(path, []byte(tc.after), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 { // twice is no harm
			if err := u.restore(); (err != nil) != (tc.after != "") || err != nil && !errors.Is(err, errForeign) {
				t.Errorf("%s: %v", tc.name, err)
			}
		}
		if got := content(t, path); got != tc.want || tc.after == "" && mode(t, path) != 0o644 {
			t.Errorf("%s: %q, mode %o", tc.name, got, mode(t, path))
		}
		u.forget()
		alone(t, filepath.Dir(path), "out")
	}
}

func TestAnUndoStaysWithinItsDirectory(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	within := filepath.Join(top, "in")
	for _, dir := range []string{"in/sub", "out/sub"} {
		if err := os.MkdirAll(filepath.Join(top, dir), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(top, dir, "f"), []byte("old"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s, err := File{Path: filepath.Join(within, "sub", "f"), Within: within, Content: []byte("new"), UID: -1, GID: -1}.stage()
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	u, err := s.save()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.commit(quiet); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(within, "sub"), filepath.Join(within, "moved")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(top, "out", "sub"), filepath.Join(within, "sub")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(top, "out", "sub", ".f.ctmpl-undo"), []byte("planted"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := u.restore(); err == nil {
		t.Error("it went out of the directory")
	}
	if got := content(t, filepath.Join(top, "out", "sub", "f")); got != "old" {
		t.Errorf("outside there is %q", got)
	}
}

func TestASecondRollbackGoesFurtherBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.state.Keep = 9
	r.reopen()
	for _, content := range []string{"one", "two", "three"} {
		r.roll(content)
	}
	for i, want := range []string{"two", "one"} {
		if _, err := r.target.Record.PutBack(0); err != nil {
			t.Fatal(err)
		}
		if got := content(t, r.path("a")); got != want+" a" {
			t.Errorf("rollback %d: %q", i+1, got)
		}
	}
	if _, err := r.target.Record.PutBack(0); err == nil || !strings.Contains(err.Error(), "no earlier good output") {
		t.Errorf("got %v", err)
	}
}

func TestOnlyTheFilesOfTheTemplatesCanDrift(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.roll("one")
	_ = os.Remove(r.path("b"))
	if got := r.target.Drift([]string{r.path("a")}); len(got) > 0 {
		t.Errorf("got %q", got)
	}
}

func TestADamagedCopyIsMadeAnew(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.roll("one")
	blob := r.target.Record.blob(r.target.Record.Last().Files[0].Hash)
	if err := os.WriteFile(blob, []byte("two a"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := r.target.Record.Restore(1); err == nil {
		t.Fatal("it is not noticed")
	}
	r.roll("two")
	r.roll("one")
	if _, err := r.target.Record.Restore(3); err != nil {
		t.Error(err)
	}
}
