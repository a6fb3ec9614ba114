package rollout

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// disk is where files are: everywhere, or below a directory that nothing leads out
// of, not even a symbolic link that is made in between. That is *os.Root.
type disk interface {
	Stat(path string) (fs.FileInfo, error)
	Readlink(path string) (string, error)
	ReadFile(path string) ([]byte, error)
	OpenFile(path string, flags int, mode fs.FileMode) (*os.File, error)
	MkdirAll(path string, mode fs.FileMode) error
	Link(from, to string) error
	Rename(from, to string) error
	Remove(path string) error
	Close() error
}

// everywhere is the disk without a bound.
type everywhere struct{}

func (everywhere) Stat(path string) (fs.FileInfo, error) { return os.Stat(path) }
func (everywhere) Readlink(path string) (string, error)  { return os.Readlink(path) }
func (everywhere) ReadFile(path string) ([]byte, error)  { return os.ReadFile(path) }
func (everywhere) OpenFile(path string, flags int, mode fs.FileMode) (*os.File, error) {
	return os.OpenFile(path, flags, mode)
}
func (everywhere) MkdirAll(path string, mode fs.FileMode) error { return os.MkdirAll(path, mode) }
func (everywhere) Link(from, to string) error                   { return os.Link(from, to) }
func (everywhere) Rename(from, to string) error                 { return os.Rename(from, to) }
func (everywhere) Remove(path string) error                     { return os.Remove(path) }
func (everywhere) Close() error                                 { return nil }

// open gives the disk of a file, and its path there.
func (f File) open() (disk, string, error) {
	if f.Within == "" {
		return everywhere{}, f.Path, nil
	}
	var ends [2]string
	for i, path := range []string{f.Within, f.Path} {
		var err error
		if ends[i], err = filepath.Abs(path); err != nil {
			return nil, "", err
		}
	}
	below, err := filepath.Rel(ends[0], ends[1])
	if err != nil || !filepath.IsLocal(below) {
		return nil, "", fmt.Errorf("%s is outside of %s", f.Path, f.Within)
	}
	root, err := os.OpenRoot(f.Within)
	return root, below, err
}

// followLinks gives the file that a path leads to, which need not exist, without a
// symbolic link on the way. It goes step by step as the kernel does: what is behind a
// link may be left by "..", which its spelling does not tell.
func followLinks(disk disk, path string) (string, error) {
	at, links := root(path), 0
	for rest := path; rest != ""; {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		if name == "" {
			continue
		}
		next := filepath.Join(at, name)
		target, err := disk.Readlink(next)
		if err != nil { // not a symbolic link
			at = next
			continue
		}
		if links++; links > 40 { // as in the kernel
			return "", fmt.Errorf("%s: too many symbolic links", path)
		}
		if filepath.IsAbs(target) {
			at = root(target)
		}
		rest = target + "/" + rest
	}
	return at, nil
}

// holds tells whether a file has just this content. It reads up to the first difference.
func holds(disk disk, path string, content []byte) (bool, error) {
	file, err := disk.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return false, err
	}
	defer file.Close()
	part := make([]byte, 64<<10)
	for {
		n, err := file.Read(part)
		if n > len(content) || !bytes.Equal(part[:n], content[:n]) {
			return false, nil
		}
		content = content[n:]
		switch {
		case errors.Is(err, io.EOF):
			return len(content) == 0, nil
		case err != nil:
			return false, err
		}
	}
}

// root is where a path begins.
func root(path string) string {
	if filepath.IsAbs(path) {
		return "/"
	}
	return ""
}

// createTemp creates a new file beside a path, which nobody else may read yet.
func createTemp(disk disk, path string) (string, *os.File, error) {
	for {
		name := filepath.Join(filepath.Dir(path), fmt.Sprintf(".%s.ctmpl-%d", filepath.Base(path), rand.Uint32()))
		file, err := disk.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if !errors.Is(err, fs.ErrExist) {
			return name, file, err
		}
	}
}
