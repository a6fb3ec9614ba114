package rollout

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
)

// File is a rendered file and where it belongs.
type File struct {
	Path    string
	Content []byte
	// Mode is the permission of the file; 0 keeps that of the file which is there,
	// and is 0644 for a new one.
	Mode fs.FileMode
	// UID and GID are the owner; -1 keeps that of the file which is there.
	UID, GID int
	// Backup keeps the file before as Path.bak.
	Backup bool
	// NeedDir makes an error of a missing directory, which is made otherwise.
	NeedDir bool
	// Why is what led to this content, for the log.
	Why string
}

// defaultMode is the permission of a new file.
const defaultMode fs.FileMode = 0o644

// Differs tells whether the destination is not as f says, in content, mode or owner.
func (f File) Differs() (bool, error) {
	p, err := f.plan()
	return err == nil && p.differs(), err
}

// plan is what it takes to put a file in place.
type plan struct {
	path     string // with symbolic links resolved
	exists   bool
	content  bool // differs
	mode     fs.FileMode
	modeDiff bool
	uid, gid int // what the file is to have
	ownDiff  bool
}

func (p plan) differs() bool { return p.content || p.modeDiff || p.ownDiff }

func (f File) plan() (plan, error) {
	p := plan{content: true, mode: f.Mode, uid: f.UID, gid: f.GID}
	if f.Path == "" {
		return p, errors.New("the template has no destination")
	}
	path, err := followLinks(f.Path)
	if err != nil {
		return p, err
	}
	p.path = path
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if p.mode == 0 {
			p.mode = defaultMode
		}
		return p, nil
	case err != nil:
		return p, err
	case !info.Mode().IsRegular():
		return p, fmt.Errorf("%s is not a regular file", path)
	}
	return p.compare(f, info)
}

// compare fills in what differs from the file that is there.
func (p plan) compare(f File, info fs.FileInfo) (plan, error) {
	p.exists = true
	const permissions = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky
	if p.mode == 0 {
		p.mode = info.Mode() & permissions
	}
	p.modeDiff = p.mode != info.Mode()&permissions
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		p.ownDiff = f.UID >= 0 && f.UID != int(stat.Uid) || f.GID >= 0 && f.GID != int(stat.Gid)
		if f.UID < 0 {
			p.uid = int(stat.Uid)
		}
		if f.GID < 0 {
			p.gid = int(stat.Gid)
		}
	}
	if info.Size() == int64(len(f.Content)) {
		have, err := os.ReadFile(p.path)
		if err != nil {
			return p, err
		}
		p.content = !bytes.Equal(have, f.Content)
	}
	return p, nil
}

// followLinks gives the file that a path leads to, which need not exist.
func followLinks(path string) (string, error) {
	for range 40 { // as the kernel does
		target, err := os.Readlink(path)
		if err != nil {
			return path, nil // not a symbolic link
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
	}
	return "", fmt.Errorf("%s: too many symbolic links", path)
}

// Put makes the destination as f says and tells whether that changed anything.
func (f File) Put(log *slog.Logger) (changed bool, err error) {
	p, err := f.plan()
	if err != nil || !p.differs() {
		return false, err
	}
	if !p.content {
		err := p.setAttributes(p.path)
		return err == nil, err
	}
	if err := f.needDir(filepath.Dir(p.path)); err != nil {
		return false, err
	}
	if f.Backup && p.exists {
		if err := backup(p.path); err != nil {
			log.Warn("cannot keep the old file as a backup", "file", p.path, "error", err)
		}
	}
	if err := f.replace(p, log); err != nil {
		return false, err
	}
	return true, nil
}

func (f File) needDir(dir string) error {
	if f.NeedDir {
		if _, err := os.Stat(dir); err != nil {
			return fmt.Errorf("the directory of the destination is missing, and create_dest_dirs is false: %w", err)
		}
		return nil
	}
	return os.MkdirAll(dir, 0o755)
}

// replace writes a new file beside the old one and renames it over that.
func (f File) replace(p plan, log *slog.Logger) (err error) {
	dir := filepath.Dir(p.path)
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(p.path)+".ctmpl-")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // finds nothing after the rename
	if err := f.write(tmp, p); err != nil {
		return err
	}
	err = os.Rename(tmp.Name(), p.path)
	if errors.Is(err, syscall.EBUSY) {
		log.Warn("the destination cannot be replaced (is it a bind mount?): writing it in place, which is not atomic", "file", p.path)
		return f.overwrite(p)
	}
	if err != nil {
		return err
	}
	if err := syncDir(dir); err != nil { // the file is in place all the same
		log.Warn("cannot sync the directory: the new file may be lost in a power failure", "directory", dir, "error", err)
	}
	return nil
}

// write fills and closes the temporary file.
func (f File) write(tmp *os.File, p plan) error {
	_, err := tmp.Write(f.Content)
	if err == nil {
		err = p.setAttributes(tmp.Name())
	}
	if err == nil {
		err = tmp.Sync()
	}
	return errors.Join(err, tmp.Close())
}

// setAttributes sets owner and mode, in this order: a change of the owner drops
// the set-user-ID bit. An owner that is merely to be kept, and cannot be without
// the rights for it, is no error.
func (p plan) setAttributes(path string) error {
	if p.uid >= 0 || p.gid >= 0 {
		if err := os.Chown(path, p.uid, p.gid); err != nil && (p.ownDiff || !p.exists) {
			return err
		}
	}
	return os.Chmod(path, p.mode)
}

// overwrite writes into the file that is there.
func (f File) overwrite(p plan) error {
	file, err := os.OpenFile(p.path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = file.Write(f.Content)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close(), p.setAttributes(p.path))
}

// backup keeps the file as path.bak, in place of the backup before.
func backup(path string) error {
	tmp := path + ".bak.ctmpl"
	_ = os.Remove(tmp) // left over from a crash
	if err := os.Link(path, tmp); err != nil {
		return err
	}
	return os.Rename(tmp, path+".bak")
}

// syncDir makes a rename last through a power failure.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) { // some file systems cannot
		return err
	}
	return nil
}
