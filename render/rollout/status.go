package rollout

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// The states of a target.
const (
	StateLive    = "live"    // what the templates give is live
	StateWaiting = "waiting" // for something that is not there yet
	StateHeld    = "held"    // by a guard
	StatePinned  = "pinned"  // until it is released
	StateFailed  = "failed"
)

// Status is how a target is.
type Status struct {
	Target string
	State  string
	Why    string
	Since  time.Time
	Good   int // number of the good output that is live; 0 when there is none
	Files  []string
}

// Tell keeps the status for those who look at it.
func (r *Record) Tell(s Status) error { return writeJSON(r.path("status.json"), s, false) }

// Seen is a record as another process sees it.
type Seen struct {
	Record
	Status Status
	Open   bool // by a ctmpl that runs
}

// Look gives the records of all targets, without opening them. There are none when the
// directory does not exist.
func (s *State) Look() ([]Seen, error) {
	entries, err := os.ReadDir(filepath.Join(s.Dir, "targets"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []Seen
	for _, e := range entries {
		seen := Seen{Record: Record{dir: filepath.Join(s.Dir, "targets", e.Name()), keep: max(s.Keep, 1)}}
		if err := readJSON(seen.path("name"), &seen.Name); err != nil {
			continue
		}
		_ = readJSON(seen.path("status.json"), &seen.Status)
		seen.Open = locked(seen.path("lock"))
		all = append(all, seen)
	}
	return all, nil
}

// locked tells whether a process holds a lock.
func locked(path string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	return errors.Is(syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}

// Request is what a process asks of the one that has a record open.
type Request struct {
	ID     string
	What   string
	Number int // of a good output
}

// Reply is what became of a request.
type Reply struct {
	ID    string
	Text  string
	Error string
}

// RequestFile is where requests for the target are put.
func (r *Record) RequestFile() string { return r.path("request.json") }

// Ask puts a request where the other process finds it.
func (r *Record) Ask(q Request) error {
	_ = os.Remove(r.path("reply.json"))
	return writeJSON(r.RequestFile(), q, false)
}

// Asked takes the request that is there; ok is false when there is none.
func (r *Record) Asked() (q Request, ok bool) {
	err := readJSON(r.RequestFile(), &q)
	_ = os.Remove(r.RequestFile())
	return q, err == nil
}

// Answer replies to a request.
func (r *Record) Answer(a Reply) error { return writeJSON(r.path("reply.json"), a, false) }

// Answered gives the reply to a request, once there is one.
func (r *Record) Answered(id string) (Reply, bool) {
	var a Reply
	err := readJSON(r.path("reply.json"), &a)
	return a, err == nil && a.ID == id
}

// String is the status as one line.
func (s Status) String() string {
	return strings.TrimSpace(s.State + " " + s.Why)
}
