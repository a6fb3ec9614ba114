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
	Files  []string
	Notes  []string `json:",omitempty"` // what its templates go on without, sorted
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

// String is the status as one line.
func (s Status) String() string {
	return strings.TrimSpace(s.State + " " + s.Why)
}
