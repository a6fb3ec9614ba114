package rollout

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// undo is what it takes to put a destination back as it was. It is kept on disk while
// a rollout is under way, so that the next start can do it after a crash.
type undo struct {
	Path   string      // of the destination, absolute
	Saved  string      // where the file before is kept; empty when it is changed in place
	Absent bool        // there was no file
	Append bool        // what is behind Size came with the rollout
	Size   int64       // of the file before
	Mode   fs.FileMode // of the file before
	UID    int
	GID    int
}

// undoSuffix is the end of the name under which a file before is kept.
const undoSuffix = ".ctmpl-undo"

// prepareUndo says what it will take to undo the commit. Nothing is done yet.
func (s *staged) prepareUndo() error {
	path := s.file.place(s.plan.path)
	u := &undo{Path: path, Append: s.file.Append}
	info, err := s.plan.disk.Stat(s.plan.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		u.Absent = true
	case err != nil:
		return err
	default:
		stat := info.Sys().(*syscall.Stat_t)
		u.Size, u.Mode, u.UID, u.GID = info.Size(), info.Mode()&permissions, int(stat.Uid), int(stat.Gid)
		if s.tmp != "" {
			u.Saved = filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+undoSuffix)
		}
	}
	s.undo = u
	return nil
}

// save keeps the file before under a second name: to put it back takes no space, and
// gives the very same file.
func (u *undo) save() error {
	if u.Saved == "" {
		return nil
	}
	_ = os.Remove(u.Saved)
	if os.Link(u.Path, u.Saved) != nil { // another file system, as with a bind mount
		if err := u.copy(); err != nil {
			return fmt.Errorf("cannot keep the file before: %w", err)
		}
	}
	return syncDir(everywhere{}, filepath.Dir(u.Saved))
}

func (u *undo) copy() error {
	content, err := os.ReadFile(u.Path)
	if err != nil {
		return err
	}
	_, err = File{Path: u.Saved, Content: content, Mode: u.Mode, ExactMode: true, UID: u.UID, GID: u.GID}.Put(slog.New(slog.DiscardHandler))
	return err
}

// restore puts the destination back as it was. Doing it twice does no harm.
func (u *undo) restore() error {
	switch {
	case u.Absent:
		err := os.Remove(u.Path)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return syncDir(everywhere{}, filepath.Dir(u.Path))
		}
		return err
	case u.Append:
		return os.Truncate(u.Path, u.Size)
	case u.Saved == "":
		return errors.Join(os.Chown(u.Path, u.UID, u.GID), os.Chmod(u.Path, u.Mode))
	}
	err := os.Rename(u.Saved, u.Path)
	switch {
	case errors.Is(err, syscall.EBUSY):
		return u.refill()
	case errors.Is(err, fs.ErrNotExist): // it is back already, or was never saved
		return nil
	case err != nil:
		return err
	}
	u.forget() // a rename of one name of a file over another does nothing
	return syncDir(everywhere{}, filepath.Dir(u.Path))
}

// refill writes the file before into the destination, which cannot be replaced.
func (u *undo) refill() error {
	content, err := os.ReadFile(u.Saved)
	if err != nil {
		return err
	}
	if err := os.WriteFile(u.Path, content, u.Mode.Perm()); err != nil {
		return err
	}
	return os.Remove(u.Saved)
}

// forget drops the file before.
func (u *undo) forget() {
	if u.Saved != "" {
		_ = os.Remove(u.Saved)
	}
}

// Recover takes up what was under way when the process before was cut short: files are
// put back as they were before, unless all was done, and the reload is owed. paths are
// the destinations, beside which that process may have left files behind.
func (t *Target) Recover(paths []string) {
	if t.Record == nil {
		return
	}
	defer func() { sweep(paths, len(t.left) == 0) }()
	p, err := t.Record.unfinished()
	if err != nil {
		t.Log.Error("cannot read what was under way when ctmpl was ended", "error", err)
		return
	}
	if p == nil {
		return
	}
	if last := t.Record.Last(); len(p.Undo) > 0 && last != nil && last.Number >= p.Generation {
		for _, u := range p.Undo { // all was done
			u.forget()
		}
		t.Record.end()
		return
	}
	t.Log.Warn("a rollout was cut short when ctmpl was ended: the reload is owed", "target", t.Record.Name)
	t.owed, t.left = true, p.Undo
	var out Outcome
	if t.putBack(&out) {
		_ = t.Record.begin(nil)
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
		prefix := "." + filepath.Base(path) + ".ctmpl-"
		entries, _ := os.ReadDir(filepath.Dir(path))
		for _, e := range entries {
			rest, ours := strings.CutPrefix(e.Name(), prefix)
			_, err := strconv.ParseUint(rest, 10, 32)
			if ours && (err == nil || undone && "-"+rest == undoSuffix[len(".ctmpl"):]) {
				_ = os.Remove(filepath.Join(filepath.Dir(path), e.Name()))
			}
		}
	}
}
