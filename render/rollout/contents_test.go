package rollout

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// rollWith rolls out a content with a note.
func (r *rig) rollWith(content, note string) {
	r.Helper()
	c := Change{Target: r.target, Plan: r.plan, Files: r.files(content), Templates: []string{r.path("a"), r.path("b")}}
	if note != "" {
		c.Note = json.RawMessage(note)
	}
	if out := apply(r.Context(), c)[r.target]; len(out.Errs) > 0 {
		r.Fatal(out.Errs)
	}
}

// note is what is noted with the output that is live.
func (r *rig) note() string { return string(r.target.Record.Note(*r.target.Record.Last())) }

func TestNotesAreKept(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, step := range []struct {
		content, note, want string
		number, blobs       int
	}{
		{"one", `"x"`, `"x"`, 1, 3},
		{"two", `"x"`, `"x"`, 2, 5}, // the same, which is kept once
		{"three", `"y"`, `"y"`, 3, 8},
		{"three", `"z"`, `"z"`, 3, 8}, // another one for the same output takes its place
		{"four", ``, `"z"`, 4, 8},     // none is new, and the first output is forgotten
		{"five", `"x"`, `"x"`, 5, 8},  // the one of the second again, which is forgotten
		{"six", `"x"`, `"x"`, 6, 8},
	} {
		r.rollWith(step.content, step.note)
		for range 2 {
			if got := r.note(); got != step.want || r.target.Record.Last().Number != step.number {
				t.Errorf("%s: note %s, number %d", step.content, got, r.target.Record.Last().Number)
			}
			r.reopen()
		}
		if blobs, _ := os.ReadDir(filepath.Join(r.target.Record.dir, "blobs")); len(blobs) != step.blobs {
			t.Errorf("%s: %d contents are kept, want %d", step.content, len(blobs), step.blobs)
		}
	}
}

// What a kill in the middle has left is removed with the next start, unless some good output
// cannot be read: what belongs to it is not known then.
func TestContentsOfNoOutputAreRemoved(t *testing.T) {
	t.Parallel()
	for _, readable := range []bool{true, false} {
		r := newRig(t)
		r.rollWith("one", `"x"`)
		r.rollWith("two", `"x"`)
		record := r.target.Record
		for _, name := range []string{"left", "left.tmp"} {
			if err := os.WriteFile(record.blob(name), []byte("?"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want := 5
		if !readable {
			want = 7
			if err := os.WriteFile(record.generation(1), []byte("{"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		r.reopen()
		if blobs, _ := os.ReadDir(filepath.Join(record.dir, "blobs")); len(blobs) != want {
			t.Errorf("%d contents are kept, want %d", len(blobs), want)
		}
	}
}

// A note that is damaged is none, and is made anew with the next output.
func TestADamagedNote(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.rollWith("one", `"x"`)
	blob := r.target.Record.blob(r.target.Record.Last().Note)
	if err := os.WriteFile(blob, []byte(`"?"`), 0o600); err != nil {
		t.Fatal(err)
	}
	r.reopen()
	if got := r.note(); got != "" {
		t.Errorf("note %s", got)
	}
	r.rollWith("two", `"x"`)
	if got := r.note(); got != `"x"` {
		t.Errorf("note %s", got)
	}
}

func TestHolds(t *testing.T) {
	t.Parallel()
	long := make([]byte, 200<<10)
	other := slices.Clone(long)
	other[len(other)-1] = 1
	for _, tc := range []struct {
		file, content []byte
		want          bool
	}{
		{nil, nil, true}, {nil, []byte("x"), false}, {[]byte("x"), nil, false}, {[]byte("x"), []byte("x"), true}, {[]byte("x"), []byte("y"), false},
		{long, slices.Clone(long), true}, {long, other, false}, {long, long[1:], false}, {long[1:], long, false},
	} {
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, tc.file, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := holds(everywhere{}, path, tc.content); got != tc.want || err != nil {
			t.Errorf("%d bytes, compared with %d: %v, %v", len(tc.file), len(tc.content), got, err)
		}
	}
	if _, err := holds(everywhere{}, filepath.Join(t.TempDir(), "none"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
