package rollout

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"
)

// Generation is one good state of a target: all of its files as they were when they
// had been checked, reloaded and verified.
type Generation struct {
	Number int
	Time   time.Time
	Files  []Kept
	// Note is the hash of what the engine wants to know of it, "" without: see Record.Note.
	Note string `json:"NoteHash,omitempty"`
}

// Kept is a file of a generation. Its content is kept beside.
type Kept struct {
	Path     string // absolute
	Within   string // as of File
	Template string // that it comes from
	Hash     string // SHA-256 of the content, hex
	Size     int
	Mode     fs.FileMode
	UID, GID int
}

// Generations gives what is kept, the oldest first.
func (r *Record) Generations() ([]Generation, error) {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return nil, err
	}
	var all []Generation
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "good-") || !strings.HasSuffix(e.Name(), ".json") {
			continue
		}
		var g Generation
		if err := readJSON(r.path(e.Name()), &g); err == nil { // one that cannot be read is none
			all = append(all, g)
		}
	}
	slices.SortFunc(all, func(a, b Generation) int { return cmp.Compare(a.Number, b.Number) })
	return all, nil
}

// Last is the generation that was applied last; nil when there is none.
func (r *Record) Last() *Generation {
	if r == nil {
		return nil
	}
	return r.now
}

// next is the number of the generation to come.
func (r *Record) next() int {
	if r.now == nil {
		return 1
	}
	return r.now.Number + 1
}

// add keeps a generation: the files that have been put in place, and those of the last
// one that come from templates which are left and have put none.
func (r *Record) add(placed map[string]File, c Change) error {
	if r == nil {
		return nil
	}
	g := Generation{Number: r.next(), Time: time.Now()}
	given := map[string]bool{}
	for _, f := range placed {
		kept, err := r.keepFile(f, c.durable())
		if err != nil {
			return err
		}
		g.Files = append(g.Files, kept)
		given[f.Template] = true
	}
	if c.Note != nil {
		var err error
		if g.Note, err = r.keepNote(c.Note, c.durable()); err != nil {
			return err
		}
	}
	if r.now != nil {
		g.carry(r.now, c.Templates, given)
	}
	slices.SortFunc(g.Files, func(a, b Kept) int { return cmp.Compare(a.Path, b.Path) })
	if r.now != nil && slices.Equal(g.Files, r.now.Files) {
		if err := r.repeat(); err != nil {
			return err
		}
		if g.Note == r.now.Note {
			return nil
		}
		g.Number, g.Time = r.now.Number, r.now.Time // the same files, of other data
	}
	if err := writeJSON(r.generation(g.Number), g, c.durable()); err != nil {
		return err
	}
	var replaced []Generation
	if n := len(r.all); n > 0 && r.all[n-1].Number == g.Number {
		replaced, r.all = slices.Clone(r.all[n-1:]), r.all[:n-1]
	}
	r.all, r.now = append(r.all, g), &g
	r.tidy(replaced)
	return nil
}

// durable tells whether what is kept of a change has to last through a power failure as
// its files do: else they would seem to have been changed by somebody.
func (c Change) durable() bool { return c.Plan.Undo || c.Durable }

// carry takes over the files of templates that are left and were not given anew.
func (g *Generation) carry(last *Generation, templates []string, given map[string]bool) {
	if g.Note == "" {
		g.Note = last.Note
	}
	for _, k := range last.Files {
		if slices.Contains(templates, k.Template) && !given[k.Template] {
			g.Files = append(g.Files, k)
		}
	}
}

func (r *Record) generation(number int) string { return r.path(fmt.Sprintf("good-%06d.json", number)) }

// keepFile keeps the content of a file, and says how the file is now.
func (r *Record) keepFile(f File, sync bool) (Kept, error) {
	path, err := f.Resolve()
	if err != nil {
		return Kept{}, err
	}
	k := Kept{Path: path, Within: f.Within, Template: f.Template, Hash: f.sum(), Size: len(f.Content)}
	if k.Mode, k.UID, k.GID, err = attributesOf(path); err != nil {
		return Kept{}, err
	}
	return k, r.keepBlob(k.Hash, f.Content, sync)
}

// Restore gives the files of a generation.
func (r *Record) Restore(number int) ([]File, error) {
	var g Generation
	if err := readJSON(r.generation(number), &g); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("there is no good output %d any more", number)
		}
		return nil, err
	}
	var files []File
	for _, k := range g.Files {
		content, err := os.ReadFile(r.blob(k.Hash))
		if err != nil {
			return nil, err
		}
		if hashOf(content) != k.Hash {
			_ = os.Remove(r.blob(k.Hash)) // so that it is made anew with the next output like that
			return nil, fmt.Errorf("the copy of %s is damaged", k.Path)
		}
		files = append(files, File{
			Path: k.Path, Content: content, Mode: k.Mode, ExactMode: true, UID: k.UID, GID: k.GID, Within: k.Within, Template: k.Template,
			Why: fmt.Sprintf("restored from good output %d", number),
		})
	}
	return files, nil
}

// drift says what is different about a file.
func (k Kept) drift() string {
	content, err := os.ReadFile(k.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return "is gone"
	}
	if err != nil {
		return "cannot be read: " + err.Error()
	}
	if hashOf(content) != k.Hash {
		return "has another content"
	}
	mode, uid, gid, err := attributesOf(k.Path)
	if err == nil && mode != k.Mode {
		return fmt.Sprintf("has another mode: %04o, was %04o", mode.Perm(), k.Mode.Perm())
	}
	if err == nil && (uid != k.UID || gid != k.GID) {
		return fmt.Sprintf("has another owner: %d:%d, was %d:%d", uid, gid, k.UID, k.GID)
	}
	return ""
}

// Earlier finds the good output with a number, with its files. When the number is 0 it is
// the one before the one that is live.
func (r *Record) Earlier(number int) (Generation, []File, error) {
	if r == nil {
		return Generation{}, nil, errors.New("no good output is kept of this target")
	}
	all, err := r.Generations()
	if err != nil {
		return Generation{}, nil, err
	}
	if number == 0 {
		if number = r.before(all); number == 0 {
			return Generation{}, nil, errors.New("there is no earlier good output")
		}
	}
	i := slices.IndexFunc(all, func(g Generation) bool { return g.Number == number })
	if i < 0 {
		return Generation{}, nil, fmt.Errorf("there is no good output %d: ctmpl status lists those that are kept", number)
	}
	files, err := r.Restore(number)
	return all[i], files, err
}

// before gives the number of the good output before the one that is live; 0 when there is
// none. After a rollback that is the one before the one that was rolled back to.
func (r *Record) before(all []Generation) int {
	live := r.now
	if p := r.Pinned(); p != nil && p.Good > 0 {
		live = &Generation{Number: p.Good}
	}
	number := 0
	for _, g := range all {
		if live != nil && g.Number < live.Number {
			number = g.Number
		}
	}
	return number
}

// PutBack puts an earlier good output in place and keeps it there until it is
// released; nothing is checked or reloaded. It gives the number of that output.
func (r *Record) PutBack(number int) (int, error) {
	(&Target{Log: slog.New(slog.DiscardHandler), Record: r}).Recover(nil) // what was cut short
	g, files, err := r.Earlier(number)
	if err != nil {
		return 0, err
	}
	for _, f := range files {
		if _, err := f.Put(slog.New(slog.DiscardHandler)); err != nil {
			return 0, fmt.Errorf("%s: %w", f.Path, err)
		}
	}
	if err := r.Pin(*RolledBack(g.Number)); err != nil {
		return 0, err
	}
	placed := map[string]File{}
	for _, f := range files {
		placed[f.Path] = f
	}
	owed, _ := r.unfinished()
	err = r.add(placed, Change{Note: r.Note(g), Durable: true})
	if err == nil && owed != nil && !owed.Unkept { // it is still: this output does not complete it
		err = r.begin(pending{Owed: true}, false)
	}
	if err != nil {
		return 0, err
	}
	return g.Number, r.Tell(Status{Target: r.Name, State: StatePinned, Why: RolledBack(g.Number).Why, Since: time.Now()})
}
