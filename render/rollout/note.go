package rollout

import (
	"bytes"
	"encoding/json"
	"os"
)

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
		note = nil
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
