package files

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"strings"

	"github.com/ctmpl/ctmpl/internal/conf"
)

// print identifies the content of a path, or why it cannot be read.
type print struct {
	sum [sha256.Size]byte
	err string
}

// take reads the print of a file, or of a directory with the files in it. Of what
// is neither, such as a pipe, it reads nothing.
func take(path string) print {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return print{err: err.Error()}
	case info.IsDir():
		return takeDir(path)
	case !info.Mode().IsRegular():
		return print{err: "neither a file nor a directory"}
	}
	return sum(path)
}

// takeDir reads the print of the files that conf.Files gives for a directory.
func takeDir(path string) print {
	files, err := conf.Files(path)
	if err != nil {
		return print{err: err.Error()}
	}
	h := sha256.New()
	for _, file := range files {
		p := sum(file)
		h.Write([]byte(file + "\x00" + p.err + "\x00"))
		h.Write(p.sum[:])
	}
	return print{sum: [sha256.Size]byte(h.Sum(nil))}
}

func isHidden(e os.DirEntry) bool { return strings.HasPrefix(e.Name(), ".") }

func sum(path string) print {
	data, err := os.ReadFile(path)
	if err != nil {
		return print{err: err.Error()}
	}
	return print{sum: sha256.Sum256(data)}
}

// names is what is of interest in a directory: some names, or all.
type names struct {
	all  bool
	some map[string]bool
	// vital: something may appear or change there, not only be moved.
	vital bool
}

func (n names) has(name string) bool { return n.all || n.some[name] }

// places is where an event can change what a path leads to: directory → names.
type places map[string]names

// add adds the directories on the way to path, with the next step in each: any of
// them may be renamed, and a symbolic link may be switched. The way ends where
// something is missing, which would appear there.
func (p places) add(path string) {
	const hops = 40 // as the kernel does: more symbolic links are a loop
	abs, err := filepath.Abs(path)
	if err != nil {
		return
	}
	done, links := "/", 0
	for todo := split(abs); len(todo) > 0; {
		dir, name := done, todo[0]
		todo = todo[1:]
		done = filepath.Join(dir, name)
		info, err := os.Lstat(done)
		isLink := err == nil && info.Mode()&os.ModeSymlink != 0
		p.note(dir, name, err != nil || isLink || len(todo) == 0)
		if err != nil {
			return
		}
		if !isLink {
			continue
		}
		target, err := os.Readlink(done)
		if links++; err != nil || links > hops {
			return
		}
		if done = dir; filepath.IsAbs(target) {
			done = "/"
		}
		todo = append(split(target), todo...)
	}
	p.addDir(done)
}

// addDir adds a directory that is watched with the files in it, some of which may be
// symbolic links, and with the directories below it.
func (p places) addDir(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	p[dir] = names{all: true, vital: true}
	for _, e := range entries {
		below := filepath.Join(dir, e.Name())
		switch {
		case isHidden(e):
		case e.IsDir():
			p.addDir(below)
		case e.Type()&os.ModeSymlink != 0:
			if info, err := os.Stat(below); err != nil || info.Mode().IsRegular() {
				p.add(below)
			}
		}
	}
}

func (p places) note(dir, name string, vital bool) {
	n := p[dir]
	if n.some == nil {
		n.some = map[string]bool{}
	}
	n.some[name] = true
	n.vital = n.vital || vital
	p[dir] = n
}

// split gives the steps of a path. They are not cleaned: a .. behind a symbolic link
// leads elsewhere than its text says.
func split(path string) []string {
	var steps []string
	for step := range strings.SplitSeq(path, "/") {
		if step != "" && step != "." {
			steps = append(steps, step)
		}
	}
	return steps
}
