package rollout

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// undo is what it takes to put a destination back as it was. It is kept on disk while
// a rollout is under way, so that the next start can do it after a crash.
type undo struct {
	Path   string      // of the destination, absolute
	Within string      // as of File
	Saved  string      // name of the file before, in the same directory; empty when it is changed in place
	Absent bool        // there was no file
	Append bool        // what is behind Size came with the rollout
	Size   int64       // of the file before
	Mode   fs.FileMode // of the file before
	UID    int
	GID    int
	Placed string // hash of what the rollout puts there: what has another one is somebody else's
}

// undoSuffix is the end of the name under which a file before is kept.
const undoSuffix = ".ctmpl-undo"

// errForeign says that a destination is neither as it was nor as the rollout has made it.
var errForeign = errors.New("somebody else has changed it since: it stays as it is")

// errGone says that there is nothing to put a destination back with.
var errGone = errors.New("the file before is gone: it stays as it is")

// save says what it will take to undo the commit, and keeps the file before under a
// second name: to put it back takes no space, and gives the very same file.
func (s *staged) save() (*undo, error) {
	u := &undo{Path: s.file.place(s.plan.path), Within: s.file.Within, Append: s.file.Append, Placed: s.file.sum()}
	info, err := s.plan.disk.Stat(s.plan.path)
	if errors.Is(err, fs.ErrNotExist) {
		u.Absent = true
		return u, nil
	}
	if err != nil {
		return nil, err
	}
	stat := info.Sys().(*syscall.Stat_t)
	u.Size, u.Mode, u.UID, u.GID = info.Size(), info.Mode()&permissions, int(stat.Uid), int(stat.Gid)
	if s.tmp == "" {
		return u, nil
	}
	u.Saved = "." + filepath.Base(u.Path) + undoSuffix
	if err := u.keep(s.plan.disk, s.plan.path); err != nil {
		return nil, fmt.Errorf("cannot keep the file before: %w", err)
	}
	return u, nil
}

// sum is the hash of the content.
func (f *File) sum() string {
	if f.hash == "" {
		f.hash = hashOf(f.Content)
	}
	return f.hash
}

func hashOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// keep gives the file before its second name, or copies it where it cannot have one: on
// a bind mount, or when it is somebody else's (fs.protected_hardlinks).
func (u *undo) keep(disk disk, path string) error {
	saved := u.beside(path)
	_ = disk.Remove(saved)
	if disk.Link(path, saved) != nil {
		content, err := disk.ReadFile(path)
		if err != nil {
			return err
		}
		if err := u.fill(disk, saved, content); err != nil {
			return err
		}
	}
	return syncDir(disk, filepath.Dir(path))
}

func (u *undo) beside(path string) string { return filepath.Join(filepath.Dir(path), u.Saved) }

// fill writes the content of the file before, with its mode, and its owner as far as that
// can be set.
func (u *undo) fill(disk disk, path string, content []byte) error {
	file, err := disk.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err == nil {
		err = u.setAttributes(file)
	}
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

func (u *undo) setAttributes(file attributes) error {
	if file.Chown(u.UID, u.GID) != nil {
		_ = file.Chown(-1, u.GID)
	}
	return file.Chmod(u.Mode)
}

// restore puts the destination back as it was. Doing it twice does no harm. What somebody
// else has changed since stays, with errForeign.
func (u *undo) restore() error {
	disk, path, err := File{Path: u.Path, Within: u.Within}.open()
	if err != nil {
		return err
	}
	defer disk.Close()
	switch {
	case u.Append:
		return u.cut(disk, path)
	case u.Absent:
		return u.remove(disk, path)
	case u.Saved == "":
		return u.attributesOnly(disk, path)
	}
	return u.bringBack(disk, path)
}

// remove removes the file that there was not.
func (u *undo) remove(disk disk, path string) error {
	content, err := disk.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !u.placed(content):
		return errForeign
	}
	if err := disk.Remove(path); err != nil {
		return err
	}
	return syncDir(disk, filepath.Dir(path))
}

// attributesOnly sets mode and owner as they were.
func (u *undo) attributesOnly(disk disk, path string) error {
	file, err := disk.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	return u.setAttributes(file)
}

// cut takes off what the rollout has appended, if nobody has appended more since.
func (u *undo) cut(disk disk, path string) error {
	content, err := disk.ReadFile(path)
	switch {
	case err != nil:
		return err
	case int64(len(content)) <= u.Size: // nothing was appended
		return nil
	case !u.placed(content[u.Size:]):
		return errForeign
	}
	file, err := disk.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	return errors.Join(file.Truncate(u.Size), u.setAttributes(file), file.Sync())
}

// bringBack gives the file before its name again.
func (u *undo) bringBack(disk disk, path string) error {
	saved := u.beside(path)
	before, err := disk.Stat(saved)
	if errors.Is(err, fs.ErrNotExist) {
		if content, err := disk.ReadFile(path); err == nil && u.placed(content) && !u.same(content) {
			return errGone
		}
		return nil // it is back already
	}
	if err != nil {
		return err
	}
	if now, err := disk.Stat(path); err == nil {
		if os.SameFile(now, before) { // it was not replaced yet
			return disk.Remove(saved)
		}
		if err := u.isOurs(disk, path, saved); err != nil {
			return err
		}
	}
	err = disk.Rename(saved, path)
	if errors.Is(err, syscall.EBUSY) {
		return u.refill(disk, path, saved)
	}
	if err != nil {
		return err
	}
	return syncDir(disk, filepath.Dir(path))
}

// isOurs tells whether a destination is as a rollout has made it, or as the copy of the
// file before. On a mount of its own it may be a part of one, since it is written in place.
func (u *undo) isOurs(disk disk, path, saved string) error {
	content, err := disk.ReadFile(path)
	if err != nil || u.placed(content) || isMount(u.Path) {
		return nil
	}
	if before, err := disk.ReadFile(saved); err == nil && bytes.Equal(before, content) {
		return nil
	}
	return errForeign
}

// placed tells whether the rollout has put this content there.
func (u *undo) placed(content []byte) bool { return hashOf(content) == u.Placed }

// isMount tells whether a file is mounted over its directory.
func isMount(path string) bool {
	var file, dir unix.Statx_t
	if unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_MNT_ID, &file) != nil || unix.Statx(unix.AT_FDCWD, filepath.Dir(path), 0, unix.STATX_MNT_ID, &dir) != nil {
		return false
	}
	return file.Mnt_id != dir.Mnt_id
}

// same tells whether the file before may have had this content, too: only its mode or owner
// was another.
func (u *undo) same(content []byte) bool { return int64(len(content)) == u.Size }

// refill writes the file before into the destination, which cannot be replaced.
func (u *undo) refill(disk disk, path, saved string) error {
	content, err := disk.ReadFile(saved)
	if err != nil {
		return err
	}
	if err := u.fill(disk, path, content); err != nil {
		return err
	}
	return disk.Remove(saved)
}

// forget drops the file before.
func (u *undo) forget() {
	if u.Saved == "" {
		return
	}
	if disk, path, err := (File{Path: u.Path, Within: u.Within}).open(); err == nil {
		defer disk.Close()
		_ = disk.Remove(u.beside(path))
	}
}
