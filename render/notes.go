package render

import "slices"

// mostNotes is how many notes are logged at once: a slip can concern thousands of services.
const mostNotes = 20

// tellNotes logs what has come to the notes of a template, and what has gone.
func (e *Engine) tellNotes(u *unit, before []string) {
	came, gone := without(u.notes, before), without(before, u.notes)
	for _, text := range came[:min(len(came), mostNotes)] {
		e.opt.Log.Warn("the template goes on without something", "template", u.spec.Name(), "reason", text)
	}
	for _, text := range gone[:min(len(gone), mostNotes)] {
		e.opt.Log.Info("this is mended", "template", u.spec.Name(), "was", text)
	}
	if n := max(len(came), len(gone)); n > mostNotes {
		e.opt.Log.Warn("and there is more of it: see ctmpl status", "template", u.spec.Name(), "more", n-mostNotes)
	}
}

// without gives those of a list that are not in another.
func without(list, other []string) (rest []string) {
	known := make(map[string]bool, len(other))
	for _, text := range other {
		known[text] = true
	}
	for _, text := range list {
		if !known[text] {
			rest = append(rest, text)
		}
	}
	return rest
}

// notes gives those of the templates of a target.
func (e *Engine) notes(t *target) (all []string) {
	for _, u := range e.units {
		if u.target == t {
			all = append(all, u.notes...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
