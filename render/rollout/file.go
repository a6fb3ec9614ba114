package rollout

import (
	"errors"
	"fmt"
	"io/fs"
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
	// ExactMode sets Mode even when it is 0, which is no permission at all.
	ExactMode bool
	// UID and GID are the owner; -1 keeps that of the file which is there.
	UID, GID int
	// Backup keeps the file before as Path.bak.
	Backup bool
	// NeedDir makes an error of a missing directory, which is made otherwise.
	NeedDir bool
	// Append puts Content behind what the file has, in place, each time.
	Append bool
	// Within is a directory that the file must lie in, whatever symbolic links there
	// are or come to be; anywhere when empty.
	Within string
	// Why is what led to this content, for the log.
	Why string
	// Template is what the file comes from, for the record of a target.
	Template string

	hash string // of Content, once it was asked for
}

// defaultMode is the permission of a new file.
const defaultMode fs.FileMode = 0o644

// SharesMemory tells whether the content of f is in the memory of another one.
func (f File) SharesMemory(content []byte) bool {
	return cap(f.Content) > 0 && cap(content) > 0 && &f.Content[:1][0] == &content[:1][0]
}

// Differs tells whether the destination is not as f says, in content, mode or owner.
func (f File) Differs() (bool, error) {
	p, err := f.plan()
	if err != nil {
		return false, err
	}
	defer p.disk.Close()
	return p.differs(), nil
}

// Resolve gives the absolute path of the destination, with symbolic links followed.
func (f File) Resolve() (string, error) {
	disk, path, err := f.open()
	if err != nil {
		return "", err
	}
	defer disk.Close()
	if path, err = followLinks(disk, path); err != nil {
		return "", err
	}
	return f.place(path), nil
}

// place is the absolute path of what is at a path of the file's disk.
func (f File) place(path string) string {
	path = filepath.Join(f.Within, path)
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// attributesOf gives permission and owner of a file.
func attributesOf(path string) (mode fs.FileMode, uid, gid int, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, 0, 0, err
	}
	stat := info.Sys().(*syscall.Stat_t)
	return info.Mode() & permissions, int(stat.Uid), int(stat.Gid), nil
}

// permissions are the bits of a mode that are kept or set.
const permissions = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky

// plan is what it takes to put a file in place.
type plan struct {
	disk     disk   // to be closed
	path     string // on it, with symbolic links resolved
	exists   bool
	content  bool // differs
	mode     fs.FileMode
	modeDiff bool
	uid, gid int // what the file is to have
	ownDiff  bool
}

func (p plan) differs() bool { return p.content || p.modeDiff || p.ownDiff }

func (f File) plan() (plan, error) {
	if f.Path == "" {
		return plan{}, errors.New("the template has no destination")
	}
	disk, path, err := f.open()
	if err != nil {
		return plan{}, err
	}
	p := plan{disk: disk, content: true, mode: f.Mode, uid: f.UID, gid: f.GID}
	if p.path, err = followLinks(disk, path); err == nil {
		p, err = p.look(f)
	}
	if err != nil {
		_ = disk.Close()
	}
	return p, err
}

// look fills in what there is to do, beside the file that may be there.
func (p plan) look(f File) (plan, error) {
	info, err := p.disk.Stat(p.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if p.mode == 0 && !f.ExactMode {
			p.mode = defaultMode
		}
		if f.Append { // no directory is made for it
			_, err = p.disk.Stat(filepath.Dir(p.path))
			return p, err
		}
		return p, nil
	case err != nil:
		return p, err
	case !info.Mode().IsRegular():
		return p, fmt.Errorf("%s is not a regular file", p.path)
	}
	return p.compare(f, info)
}

// compare fills in what differs from the file that is there.
func (p plan) compare(f File, info fs.FileInfo) (plan, error) {
	p.exists = true
	if p.mode == 0 && !f.ExactMode {
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
	switch {
	case f.Append:
		p.content = len(f.Content) > 0
	case info.Size() == int64(len(f.Content)):
		same, err := holds(p.disk, p.path, f.Content)
		p.content = !same
		return p, err
	}
	return p, nil
}

func (f File) needDir(disk disk, dir string) error {
	if f.NeedDir {
		if _, err := disk.Stat(dir); err != nil {
			return fmt.Errorf("the directory of the destination is missing, and create_dest_dirs is false: %w", err)
		}
		return nil
	}
	return disk.MkdirAll(dir, 0o755)
}

// fill writes into the file that is there.
func (f File) fill(p plan) error {
	file, err := p.disk.OpenFile(p.path, os.O_WRONLY|os.O_TRUNC, p.mode)
	if err != nil {
		return err
	}
	return f.write(file, p)
}

// extend puts the content behind what the file has, which is made when it is missing.
func (f File) extend(p plan) error {
	file, err := p.disk.OpenFile(p.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, p.mode)
	if err != nil {
		return err
	}
	return errors.Join(f.appendTo(file, p), file.Close())
}

// appendable is what appendTo needs of an open file.
type appendable interface {
	attributes
	Stat() (fs.FileInfo, error)
	Write(p []byte) (int, error)
	Truncate(size int64) error
	Sync() error
}

// appendTo appends all of the content or nothing: what failed is tried again. So the
// attributes come first, and what a full disk had room for is taken back.
func (f File) appendTo(file appendable, p plan) error {
	if err := p.setAttributes(file); err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if n, err := file.Write(f.Content); err != nil {
		if n > 0 {
			err = errors.Join(err, file.Truncate(info.Size()))
		}
		return err
	}
	return file.Sync()
}

// write fills and closes a file.
func (f File) write(file *os.File, p plan) error {
	_, err := file.Write(f.Content)
	if err == nil {
		err = p.setAttributes(file)
	}
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// attributes is a file whose owner and mode can be set: an open one, or byName.
type attributes interface {
	Chown(uid, gid int) error
	Chmod(mode fs.FileMode) error
}

// byName is the path of a file.
type byName string

func (n byName) Chown(uid, gid int) error     { return os.Chown(string(n), uid, gid) }
func (n byName) Chmod(mode fs.FileMode) error { return os.Chmod(string(n), mode) }

// setAttributes sets owner and mode, in this order: a change of the owner drops
// the set-user-ID bit. An owner that is merely to be kept, and cannot be without
// the rights for it, is no error; its group may still be kept.
func (p plan) setAttributes(file attributes) error {
	if p.uid >= 0 || p.gid >= 0 {
		switch err := file.Chown(p.uid, p.gid); {
		case err == nil:
		case p.ownDiff || !p.exists:
			return err
		default:
			_ = file.Chown(-1, p.gid)
		}
	}
	return file.Chmod(p.mode)
}

// backup keeps the file as path.bak, in place of the backup before.
func backup(disk disk, path string) error {
	tmp := path + ".bak.ctmpl"
	_ = disk.Remove(tmp) // left over from a crash
	if err := disk.Link(path, tmp); err != nil {
		return err
	}
	defer disk.Remove(tmp) // a rename of one name of a file over another does nothing
	return disk.Rename(tmp, path+".bak")
}

// syncDir makes a rename last through a power failure.
func syncDir(disk disk, dir string) error {
	d, err := disk.OpenFile(dir, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) { // some file systems cannot
		return err
	}
	return nil
}
