package render

import (
	"encoding/json"
	"maps"
	"time"

	"github.com/ctmpl/ctmpl/render/guard"
	"github.com/ctmpl/ctmpl/render/rollout"
)

// kept is what is kept with the files of a target.
type kept struct {
	Facts map[string]guard.Facts // by template
}

// noted is a note, with the facts that it was made of.
type noted struct {
	facts map[string]guard.Facts
	note  json.RawMessage
}

// note gives what is to be kept with the files that are rolled out: the facts of what is
// live then. It is the very same as long as they are, which mostly lasts: they are no more
// than numbers.
func (e *Engine) note(t *target) json.RawMessage {
	k := kept{Facts: map[string]guard.Facts{}}
	for _, u := range e.units {
		if u.target == t && u.live != nil {
			k.Facts[u.spec.File.Path] = *u.live
		}
	}
	for _, r := range t.flying {
		k.Facts[r.unit.spec.File.Path] = r.unit.facts.With(e.doubts(r.unit))
	}
	if t.noted.note != nil && maps.EqualFunc(k.Facts, t.noted.facts, guard.Facts.Equal) {
		return t.noted.note
	}
	note, err := json.Marshal(k)
	if err != nil {
		return nil
	}
	t.noted = noted{facts: k.Facts, note: note}
	return note
}

// recall takes in what was kept with the good output that is live: the guards compare
// with that.
func (e *Engine) recall(t *target, good rollout.Generation) {
	var k kept
	if json.Unmarshal(t.Record.Note(good), &k) != nil {
		return
	}
	for _, u := range e.units {
		if facts, ok := k.Facts[u.spec.File.Path]; ok && u.target == t {
			u.live = &facts
			u.history.Add(time.Now(), facts)
		}
	}
}
