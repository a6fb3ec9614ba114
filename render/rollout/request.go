package rollout

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Request is what a process asks of the one that has the record of a target open.
type Request struct {
	ID     string
	Target string
	What   string
	Number int // of a good output; 0 leaves it open
}

// AnswerTime is how long who is asked may take: a rollback checks, reloads and verifies.
// An older request is not served, since nobody waits for it any more.
const AnswerTime = 2 * time.Minute

// Reply is what became of a request.
type Reply struct {
	Text  string
	Error string
}

// Requests is the directory where requests are put.
func (s *State) Requests() string { return filepath.Join(s.Dir, "requests") }

func (s *State) request(id string) string { return filepath.Join(s.Requests(), id+".json") }
func (s *State) replies() string          { return filepath.Join(s.Dir, "replies") }
func (s *State) reply(id string) string   { return filepath.Join(s.replies(), id+".json") }

// Ask puts a request where the other process finds it.
func (s *State) Ask(q Request) error {
	return writeJSON(s.request(q.ID), q, false)
}

// Asked gives the requests that are there. They stay until they are withdrawn, or nobody
// waits for them any more.
func (s *State) Asked() []Request {
	s.tidy()
	entries, _ := os.ReadDir(s.Requests())
	var all []Request
	for _, e := range entries {
		var q Request
		id, ok := strings.CutSuffix(e.Name(), ".json")
		if ok && readJSON(s.request(id), &q) == nil && q.ID == id {
			all = append(all, q)
		}
	}
	slices.SortFunc(all, func(a, b Request) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// tidy removes what is left of requests that nobody waits for.
func (s *State) tidy() {
	for _, dir := range []string{s.Requests(), s.replies()} {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > AnswerTime {
				_ = os.Remove(filepath.Join(dir, e.Name()))
			}
		}
	}
}

// Withdraw takes a request back: it is dealt with, or nobody does.
func (s *State) Withdraw(q Request) { _ = os.Remove(s.request(q.ID)) }

// Answer replies to a request.
func (s *State) Answer(q Request, a Reply) error { return writeJSON(s.reply(q.ID), a, false) }

// Answered takes the reply to a request, once there is one.
func (s *State) Answered(q Request) (a Reply, ok bool) {
	err := readJSON(s.reply(q.ID), &a)
	if errors.Is(err, fs.ErrNotExist) {
		return a, false
	}
	_ = os.Remove(s.reply(q.ID))
	return a, err == nil
}
