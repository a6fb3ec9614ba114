package rollout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// rig is a target of two files with a record, and old content in place.
type rig struct {
	*testing.T
	dir    string
	state  *State
	target *Target
	plan   Plan
	log    *bytes.Buffer
}

func newRig(t *testing.T) *rig {
	r := &rig{T: t, dir: t.TempDir(), log: &bytes.Buffer{}}
	r.state = &State{Dir: filepath.Join(r.dir, "state"), Keep: 3}
	r.plan = Plan{Undo: true, Commands: []Command{r.say("reload")}}
	r.reopen()
	for _, name := range []string{"a", "b"} {
		if err := os.WriteFile(r.path(name), []byte("old "+name), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// reopen gives the target as the next process finds it.
func (r *rig) reopen() {
	r.Helper()
	if r.target != nil {
		r.target.Record.Close()
	}
	record, err := r.state.Open("edge")
	for tries := 0; errors.Is(err, ErrInUse) && tries < 1000; tries++ { // what another test has just forked has its lock until it executes
		record, err = r.state.Open("edge")
	}
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(record.Close)
	r.target = &Target{Log: slog.New(slog.NewTextHandler(r.log, nil)), Record: record}
}

func (r *rig) path(name string) string { return filepath.Join(r.dir, name) }

// say is a command that leaves a word in the file said, with what is live.
func (r *rig) say(word string) Command {
	return Command{Args: []string{fmt.Sprintf("echo %s $(cat %s) $(cat %s) >> %s", word, r.path("a"), r.path("b"), r.path("said"))}, Quiet: true}
}

func (r *rig) said() string {
	text, _ := os.ReadFile(r.path("said"))
	_ = os.Remove(r.path("said"))
	return strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", ", ")
}

func (r *rig) files(content string) []File {
	var list []File
	for _, name := range []string{"a", "b"} {
		list = append(list, File{Path: r.path(name), Content: []byte(content + " " + name), UID: -1, GID: -1, Template: r.path(name)})
	}
	return list
}

func (r *rig) roll(content string) Outcome {
	r.Helper()
	c := Change{Target: r.target, Plan: r.plan, Templates: []string{r.path("a"), r.path("b")}}
	if content != "" {
		c.Files = r.files(content)
	}
	return apply(r.Context(), c)[r.target]
}

func (r *rig) live(want string) {
	r.Helper()
	if a, b := content(r.T, r.path("a")), content(r.T, r.path("b")); a != want+" a" || b != want+" b" {
		r.Errorf("live are %q and %q, want %q; log: %s", a, b, want, r.log)
	}
	alone(r.T, r.dir, "a", "b", "state")
}

func TestARolloutTakesAllItsSteps(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var points []string
	r.target.At = func(p string) { points = append(points, p) }
	r.plan.Checks = []Check{
		{Command: Command{Args: []string{"grep -q new {{ .Staged }} && test $CTMPL_STAGED = {{ .Staged }} && test $CTMPL_DESTINATION = " + r.path("b")}}, Template: r.path("b")},
		{Command: Command{Args: []string{"sh", "-c", "cat {{ range .Files }}{{ .Staged }} {{ end }} > " + r.path("checked")}}},
	}
	r.plan.Verifies = []Command{r.say("verify")}
	out := r.roll("new")
	if len(out.Errs) > 0 || !out.Changed || out.Undone || r.target.Owes() {
		t.Fatalf("got %+v", out)
	}
	if got := r.said(); got != "reload new a new b, verify new a new b" {
		t.Errorf("ran %s", got)
	}
	if got := content(t, r.path("checked")); got != "new anew b" {
		t.Errorf("checked %q", got)
	}
	_ = os.Remove(r.path("checked"))
	r.live("new")
	if want := "staged checked saved noted committed 1 committed 2 reloaded verified kept ended"; strings.Join(points, " ") != want {
		t.Errorf("points %v", points)
	}
	if mode(t, r.path("a")) != 0o640 {
		t.Errorf("mode %o", mode(t, r.path("a")))
	}
	if out := r.roll("new"); out.Changed || r.said() != "" {
		t.Error("equal files were rolled out")
	}
}

func TestWhatFailsIsPutBack(t *testing.T) {
	t.Parallel()
	fails := func(r *rig) Command { return Command{Args: []string{"echo because; exit 1; "}, Quiet: true} }
	for _, tc := range []struct {
		name string
		set  func(*rig)
		step string
		bad  bool
		said string
	}{
		{"check", func(r *rig) { r.plan.Checks = []Check{{Command: fails(r)}} }, StepCheck, true, ""},
		{"reload", func(r *rig) { r.plan.Commands = append(r.plan.Commands, fails(r)) }, StepReload, false, "reload new a new b, reload old a old b"},
		{"verify", func(r *rig) { r.plan.Verifies = []Command{fails(r)} }, StepVerify, true, "reload new a new b, reload old a old b"},
		{"check that does not start", func(r *rig) { r.plan.Checks = []Check{{Command: Command{Args: []string{"/no/such"}}}} }, StepCheck, false, ""},
		{"driver's check", func(r *rig) { r.plan.Driver = &fake{check: &BadError{errors.New("because")}} }, StepCheck, true, ""},
		{"driver's check of what is live", func(r *rig) { r.plan.Driver = &fake{check: ErrCheckLive, live: &BadError{errors.New("because")}} }, StepCheck, true, ""},
		{"driver's reload", func(r *rig) { r.plan.Driver = &fake{reload: fmt.Errorf("because: %w", ErrKept)} }, StepReload, false, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			before, _ := os.Stat(r.path("a"))
			tc.set(r)
			out := r.roll("new")
			if len(out.Errs) == 0 || out.Errs[0].Step != tc.step || out.Bad != tc.bad || out.Changed {
				t.Fatalf("got %+v", out)
			}
			if tc.name != "check that does not start" && !strings.Contains(out.Errs[0].Error(), "because") {
				t.Errorf("the reason is not said: %v", out.Errs[0])
			}
			if got := r.said(); got != tc.said {
				t.Errorf("ran %q, want %q", got, tc.said)
			}
			r.live("old")
			if after, _ := os.Stat(r.path("a")); !os.SameFile(before, after) || !after.ModTime().Equal(before.ModTime()) {
				t.Error("it is not the very same file")
			}
			if r.target.Record.Last() != nil {
				t.Error("it is kept as good")
			}
			if p, err := r.target.Record.unfinished(); tc.step != StepReload && (p != nil || err != nil) {
				t.Errorf("something is said to be under way: %+v, %v", p, err)
			}
		})
	}
}

// fake is a driver that answers as it is told.
type fake struct {
	check, live, reload error
	reloads             int
}

func (f *fake) Check(context.Context, []Staged) error { return f.check }
func (f *fake) CheckLive(context.Context) error       { return f.live }
func (f *fake) Reload(context.Context, string) error  { f.reloads++; return f.reload }
func (f *fake) Busy() string                          { return "" }
func (f *fake) String() string                        { return "fake" }

func TestAFileThatCannotBePlacedTakesTheOthersBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.target.At = func(p string) {
		if p == "noted" { // after all that can be looked at before
			_ = os.Remove(r.path("b"))
			_ = os.MkdirAll(filepath.Join(r.path("b"), "x"), 0o755)
		}
	}
	out := r.roll("new")
	if len(out.Errs) == 0 || out.Errs[0].Step != StepWrite {
		t.Fatalf("got %+v", out)
	}
	if got := content(t, r.path("a")); got != "old a" {
		t.Errorf("a is %q", got)
	}
	// b cannot be put back while somebody else has made a directory there; it is kept.
	if !r.target.Owes() || content(t, filepath.Join(r.dir, ".b.ctmpl-undo")) != "old b" {
		t.Error("the file before is lost")
	}
	r.target.At = nil
	if err := os.RemoveAll(r.path("b")); err != nil {
		t.Fatal(err)
	}
	if out := r.roll("new"); len(out.Errs) > 0 {
		t.Errorf("got %+v", out)
	}
	_ = r.said()
	r.live("new")
}

func TestNobodyToReloadIsWaitedFor(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	driver := &fake{reload: fmt.Errorf("fake %w", ErrNotRunning)}
	r.plan = Plan{Undo: true, Driver: driver}
	if out := r.roll("new"); len(out.Errs) > 0 || out.Waiting != "fake is not running" || !r.target.Owes() || out.Reloaded {
		t.Fatalf("got %+v", out)
	}
	if content(t, r.path("a")) != "new a" || r.target.Record.Last() == nil {
		t.Error("not in place, or not kept")
	}
	r.reopen() // a new process knows it, too
	r.target.Recover(nil)
	if !r.target.Owes() || content(t, r.path("a")) != "new a" {
		t.Fatal("what is owed is forgotten")
	}
	driver.reload = nil
	if out := r.roll("new"); len(out.Errs) > 0 || r.target.Owes() || driver.reloads != 2 || r.target.Record.Last() == nil {
		t.Errorf("got %+v", out)
	}
	r.live("new")
	r.reopen()
	if r.target.Recover(nil); r.target.Owes() {
		t.Error("it is owed for ever")
	}
}

func TestWhatMeansTheSameNeedsNoReload(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.plan.Canonical = func(b []byte) []byte { return bytes.Join(bytes.Fields(b), []byte(" ")) }
	if out := r.roll("old "); !out.Changed || out.Reloaded || r.target.Owes() {
		t.Errorf("got %+v", out)
	}
	r.live("old ")
	if r.roll("new"); r.said() != "reload new a new b" {
		t.Error("a change did not reload")
	}
}

// errKilled stands for the end of the process.
var errKilled = errors.New("killed")

// TestACrashAtAnyPointLeavesOneState kills the rollout at each of its points, and
// looks at what the next process makes of it.
func TestACrashAtAnyPointLeavesOneState(t *testing.T) {
	t.Parallel()
	for _, bad := range []bool{false, true} {
		for n := 1; ; n++ {
			r := newRig(t)
			if r.roll("old"); r.said() != "" || r.target.Record.Last() == nil {
				t.Fatal("no good output to begin with")
			}
			if bad {
				r.plan.Verifies = []Command{{Args: []string{"false"}}}
			}
			point, done := r.kill("new", n)
			if done {
				if n < 9 {
					t.Errorf("only %d points", n)
				}
				break
			}
			r.reopen()
			r.target.Recover([]string{r.path("a"), r.path("b")})
			want := "old"
			if a := content(t, r.path("a")); point == "ended" || point == "kept" {
				want = "new"
			} else if a != "old a" && !strings.HasPrefix(a, "new") {
				t.Errorf("%s: a is %q", point, a)
			}
			committed := !slices.Contains([]string{"staged", "checked", "saved", "ended"}, point)
			if committed != r.target.Owes() {
				t.Errorf("killed at %q: owes %v", point, r.target.Owes())
			}
			_ = r.said()
			r.live(want)
			r.plan.Verifies = nil
			if out := r.roll("new"); len(out.Errs) > 0 {
				t.Errorf("killed at %q: %v", point, out.Errs)
			}
			if said := r.said(); want == "old" && said != "reload new a new b" {
				t.Errorf("killed at %q: ran %q", point, said)
			}
			r.live("new")
		}
	}
}

// kill rolls out and ends that at the nth point; done tells that there was none.
func (r *rig) kill(content string, n int) (point string, done bool) {
	defer func() {
		if p := recover(); p != nil && p != errKilled {
			panic(p)
		}
	}()
	count := 0
	r.target.At = func(p string) {
		if count++; count == n {
			point = p
			panic(errKilled)
		}
	}
	r.roll(content)
	return "", true
}

// The file before may be there after a power failure only where somebody renders it anew.
func TestWhatAPowerFailureMayUndo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	for name, tc := range map[string]struct {
		before string
		change Change
		want   bool
	}{
		"plain":         {"old", Change{}, true},
		"a new file":    {"", Change{}, false},
		"durable":       {"old", Change{Durable: true}, false},
		"one to return": {"old", Change{Pin: RolledBack(1)}, false},
	} {
		_ = os.Remove(path)
		if tc.before != "" {
			if err := os.WriteFile(path, []byte(tc.before), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		tc.change.Files = []File{{Path: path, Content: []byte("new"), UID: -1, GID: -1}}
		a := &attempt{Change: tc.change, t: &Target{Log: quiet}}
		a.prepare(t.Context())
		if len(a.staged) != 1 || a.staged[0].passing != tc.want || len(a.out.Errs) > 0 {
			t.Errorf("%s: %+v, %v", name, a.staged, a.out.Errs)
		}
		a.close()
	}
}
