package rollout

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Recover takes up what was under way when the process before ended. Files are put back
// as they were, unless all was done, and the reload is owed. templates are those of the
// target, beside whose files that process may have left others behind.
func (t *Target) Recover(templates []string) {
	if t.Record == nil {
		return
	}
	paths := slices.Clone(templates)
	if last := t.Record.Last(); last != nil {
		for _, k := range last.Files {
			if slices.Contains(templates, k.Template) { // what others have now is theirs
				paths = append(paths, k.Path)
			}
		}
	}
	p, err := t.Record.unfinished()
	switch {
	case err != nil:
		t.Log.Error("cannot read what was under way when ctmpl ended: the reload is owed", "error", err)
		t.owed = true
		sweep(paths, false)
		return
	case p == nil:
	case p.Unkept:
		t.blind = true
	case p.Owed:
		t.owed = true
	case t.Record.now != nil && t.Record.now.Number >= p.Generation:
		t.allDone(p)
	default:
		t.cutShort(p)
	}
	sweep(paths, len(t.left) == 0)
}

// allDone completes a rollout that was cut short at its very end. Whether somebody was
// there to take it over is not known any more.
func (t *Target) allDone(p *pending) {
	if p.Pin != nil {
		_ = t.Record.Pin(*p.Pin)
	}
	for _, u := range p.Undo {
		u.forget()
	}
	t.owed = true
	t.owe()
}

// cutShort puts back what a rollout has changed that was cut short.
func (t *Target) cutShort(p *pending) {
	t.Log.Warn("a rollout was cut short when ctmpl ended: the reload is owed", "target", t.Record.Name)
	t.owed, t.left, t.blind = true, p.Undo, len(p.Undo) == 0
	var out Outcome
	if t.putBack(&out) && !t.blind { // else the note has to tell the next process, too
		t.owe()
	}
	for _, err := range out.Errs {
		t.Log.Error("rollout failed", "step", err.Step, "on", err.On, "error", err.Err)
	}
}

// sweep removes what a process that was killed has left beside the destinations: what
// it had staged, and the files before, where they are not needed any more.
func sweep(paths []string, undone bool) {
	for _, path := range paths {
		path, err := (File{Path: path}).Resolve()
		if err != nil {
			continue
		}
		prefix := "." + filepath.Base(path)
		entries, _ := os.ReadDir(filepath.Dir(path))
		for _, e := range entries {
			number, temporary := strings.CutPrefix(e.Name(), prefix+".ctmpl-")
			_, err := strconv.ParseUint(number, 10, 32)
			if temporary && err == nil || undone && e.Name() == prefix+undoSuffix {
				_ = os.Remove(filepath.Join(filepath.Dir(path), e.Name()))
			}
		}
	}
}

// Drift gives the files that are not as they were applied last, each with what is
// different: somebody else has changed them. Only those of the templates count.
func (t *Target) Drift(templates []string) []string {
	if t.blind {
		return nil
	}
	var found []string
	last := t.Record.Last()
	if last == nil {
		return nil
	}
	for _, k := range last.Files {
		if what := k.drift(); what != "" && slices.Contains(templates, k.Template) {
			found = append(found, k.Path+" "+what)
		}
	}
	return found
}
