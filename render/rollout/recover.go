package rollout

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Recover takes up what was under way when the process before ended. Files are put back
// as they were, unless all was done, or they only wait to be taken over; in both cases
// the reload is owed. paths are the destinations, beside which that process may have left
// files behind.
func (t *Target) Recover(paths []string) {
	if t.Record == nil {
		return
	}
	if last := t.Record.Last(); last != nil {
		for _, k := range last.Files {
			paths = append(paths, k.Path)
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
	case p.Waiting:
		t.owed, t.unproven = true, p.Undo
	case t.Record.now != nil && t.Record.now.Number >= p.Generation: // all was done
		_ = t.Record.end()
	default:
		t.cutShort(p)
	}
	sweep(paths, len(t.left)+len(t.unproven) == 0)
}

// cutShort puts back what a rollout has changed that was cut short.
func (t *Target) cutShort(p *pending) {
	t.Log.Warn("a rollout was cut short when ctmpl ended: the reload is owed", "target", t.Record.Name)
	t.owed, t.left, t.blind = true, p.Undo, len(p.Undo) == 0
	var out Outcome
	if t.putBack(&out) {
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
	known := map[string]bool{}
	if last := t.Record.Last(); last != nil {
		for _, k := range last.Files {
			known[k.Path] = true
			if what := k.drift(t.waiting(k.Path)); what != "" && slices.Contains(templates, k.Template) {
				found = append(found, k.Path+" "+what)
			}
		}
	}
	for _, u := range t.unproven {
		content, err := os.ReadFile(u.Path)
		if !known[u.Path] && !u.Append && (err != nil || !u.placed(content)) {
			found = append(found, u.Path+" is not as it was put in place")
		}
	}
	return found
}

// waiting gives the hashes of what was put at a path and waits to be taken over.
func (t *Target) waiting(path string) []string {
	for _, u := range t.unproven {
		if u.Path == path {
			return u.Placed
		}
	}
	return nil
}
