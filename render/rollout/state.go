package rollout

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// State is the directory in which targets keep what has to last: their last good
// outputs, and what was under way. Each target has a directory of its own there.
type State struct {
	Dir  string
	Keep int // last good outputs of each target; 0 is no bound
}

// Record is what is kept of one target. It is for one process at a time, and for one
// goroutine.
type Record struct {
	Name string
	dir  string
	keep int
	lock *os.File
	all  []Generation // that are kept, the oldest first
	now  *Generation  // the one that was applied last; nil when there is none
	note struct {     // that this process has kept last
		hash string
		text []byte
	}
}

// ErrInUse says that another process has the record of a target open.
var ErrInUse = errors.New("another ctmpl keeps its state there")

var unsafeInName = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// slug is a target's name as the name of a directory.
func slug(name string) string {
	text := unsafeInName.ReplaceAllString(name, "_")
	if len(text) > 60 {
		text = text[len(text)-60:]
	}
	sum := sha256.Sum256([]byte(name))
	return text + "-" + hex.EncodeToString(sum[:4])
}

// Make makes the directory, and tells whether it can be used.
func (s *State) Make() error {
	for _, dir := range []string{s.Dir, filepath.Join(s.Dir, "targets"), s.Requests(), s.replies()} {
		if err := makeDir(dir); err != nil {
			return err
		}
	}
	return unix.Access(s.Dir, unix.W_OK|unix.X_OK)
}

// Path is the directory of a target.
func (s *State) Path(name string) string { return filepath.Join(s.Dir, "targets", slug(name)) }

// Open opens the record of a target, which is made when there is none.
func (s *State) Open(name string) (*Record, error) {
	dir := s.Path(name)
	if err := s.Make(); err != nil {
		return nil, err
	}
	for _, dir := range []string{dir, filepath.Join(dir, "blobs")} {
		if err := makeDir(dir); err != nil {
			return nil, err
		}
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := hold(lock); err != nil {
		_ = lock.Close()
		return nil, err
	}
	r := &Record{Name: name, dir: dir, keep: s.Keep, lock: lock}
	if err := writeJSON(r.path("name"), name, false); err != nil {
		r.Close()
		return nil, err
	}
	if r.all, err = r.Generations(); err != nil { // or good outputs would be taken for none
		r.Close()
		return nil, err
	}
	if len(r.all) > 0 {
		now := r.all[len(r.all)-1]
		r.now = &now
	}
	r.removeLost()
	return r, nil
}

// Rename gives the record to a target of another name, in the place of what that may have
// had before. It is an error when some process has that open.
func (s *State) Rename(r *Record, name string) error {
	to := s.Path(name)
	if locked(filepath.Join(to, "lock")) {
		return ErrInUse
	}
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	if err := os.Rename(r.dir, to); err != nil {
		return err
	}
	r.Name, r.dir = name, to
	return writeJSON(r.path("name"), name, false)
}

// lockFor is how long others may look at a record whose lock we want.
const lockFor = 200 * time.Millisecond

// hold takes a lock, which ends with the process.
func hold(lock *os.File) error {
	for end := time.Now().Add(lockFor); ; time.Sleep(10 * time.Millisecond) {
		err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case !errors.Is(err, syscall.EWOULDBLOCK):
			return err
		case time.Now().After(end):
			return ErrInUse
		}
	}
}

// Close lets other processes open the record.
func (r *Record) Close() { _ = r.lock.Close() }

func (r *Record) path(name string) string { return filepath.Join(r.dir, name) }

// Pin is why a target stays as it is until it is released.
type Pin struct {
	Why  string
	Good int // number of the good output that it was rolled back to; 0 without
}

// RolledBack is the pin of a target that was rolled back.
func RolledBack(number int) *Pin {
	return &Pin{Why: fmt.Sprintf("rolled back to good output %d", number), Good: number}
}

// Pin keeps a target as it is, also over restarts.
func (r *Record) Pin(p Pin) error {
	if r == nil {
		return errors.New("no state is kept")
	}
	return writeJSON(r.path("pin.json"), p, true)
}

// Unpin ends that.
func (r *Record) Unpin() {
	if r != nil {
		_ = os.Remove(r.path("pin.json"))
	}
}

// Pinned gives the pin of the target; nil without. One that cannot be read is one.
func (r *Record) Pinned() *Pin {
	var p Pin
	switch err := readJSON(r.path("pin.json"), &p); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return &Pin{Why: "it was to stay as it is; why cannot be read: " + err.Error()}
	}
	return &p
}

// writeJSON replaces a file that only we may read. sync makes it last through a power
// failure.
func writeJSON(path string, v any, sync bool) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return writePrivate(path, append(data, '\n'), sync)
}

func writePrivate(path string, data []byte, sync bool) error {
	tmp := path + ".tmp"
	file, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err == nil {
		err = giveAway(tmp)
	}
	if err == nil && sync {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		_ = os.Remove(tmp)
		return err
	}
	if sync {
		return syncDir(everywhere{}, filepath.Dir(path))
	}
	return nil
}

// makeDir makes a directory that only we may look into, unless it is there.
func makeDir(path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	return giveAway(path)
}

// giveAway gives what root makes in the directory of another user to that user: ctmpl may
// run as one, and who asks it for something be root.
func giveAway(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t)
	if owner.Uid == 0 {
		return nil
	}
	return os.Lchown(path, int(owner.Uid), int(owner.Gid))
}

func readJSON(path string, v any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
