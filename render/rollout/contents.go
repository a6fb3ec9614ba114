package rollout

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
)

// blob is where a content is kept.
func (r *Record) blob(hash string) string { return filepath.Join(r.dir, "blobs", hash) }

// Notes are kept as contents are, under their hash: that of thousands of services is long,
// and mostly the same from one good output to the next.

// keepNote keeps a note, and gives its hash.
func (r *Record) keepNote(note json.RawMessage, sync bool) (string, error) {
	if r.now != nil && r.now.Note == r.note.hash && bytes.Equal(note, r.note.text) {
		return r.note.hash, nil
	}
	hash := hashOf(note)
	if err := r.keepBlob(hash, note, sync); err != nil {
		return "", err
	}
	r.note.hash, r.note.text = hash, note
	return hash, nil
}

// Note gives what was kept with a good output; nil when that is nothing, or is damaged.
func (r *Record) Note(g Generation) json.RawMessage {
	if g.Note == "" {
		return nil
	}
	note, err := os.ReadFile(r.blob(g.Note))
	if err == nil && hashOf(note) != g.Note {
		_ = os.Remove(r.blob(g.Note)) // so that it is made anew
		note, r.note.text = nil, nil
	}
	return note
}

// keepBlob keeps a content, unless it is kept already.
func (r *Record) keepBlob(hash string, content []byte, sync bool) error {
	if info, err := os.Stat(r.blob(hash)); err == nil && info.Size() == int64(len(content)) {
		return nil
	}
	return writePrivate(r.blob(hash), content, sync)
}

// tidy forgets the generations that are too old, and the contents that no other has than
// these and one that was replaced.
func (r *Record) tidy(gone []Generation) {
	if tooMany := len(r.all) - r.keep; r.keep > 0 && tooMany > 0 {
		for _, g := range r.all[:tooMany] {
			_ = os.Remove(r.generation(g.Number))
		}
		gone = append(gone, r.all[:tooMany]...)
		r.all = slices.Clone(r.all[tooMany:])
	}
	used := r.used()
	for _, g := range gone {
		for _, hash := range g.hashes() {
			if !used[hash] {
				_ = os.Remove(r.blob(hash))
			}
		}
	}
}

// removeLost removes contents of no good output: what a kill has left. It removes none when some
// good output cannot be read.
func (r *Record) removeLost() {
	outputs, err := filepath.Glob(r.path("good-*.json"))
	contents, readErr := os.ReadDir(r.path("blobs"))
	if err != nil || readErr != nil || len(outputs) != len(r.all) {
		return
	}
	used := r.used()
	for _, c := range contents {
		if !used[c.Name()] {
			_ = os.Remove(r.blob(c.Name()))
		}
	}
}

// used are the hashes of the contents that the good outputs have.
func (r *Record) used() map[string]bool {
	used := map[string]bool{}
	for _, g := range r.all {
		for _, hash := range g.hashes() {
			used[hash] = true
		}
	}
	return used
}

// hashes are those of all contents that belong to a generation.
func (g *Generation) hashes() []string {
	var all []string
	if g.Note != "" {
		all = append(all, g.Note)
	}
	for _, k := range g.Files {
		all = append(all, k.Hash)
	}
	return all
}
