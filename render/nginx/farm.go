package nginx

import (
	"bytes"
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// farm is a tree of links in the making. Its directories and copies go by their live
// paths, without symbolic links.
type farm struct {
	root   string
	view   view
	copies map[string][]byte // files of which the tree has its own text
	dirs   map[string]bool   // directories that the tree has, and no link to
}

// inside is where the tree has a live path.
func (f *farm) inside(path string) string { return filepath.Join(f.root, path) }

// changed tells whether the tree has another text for a file than what is live.
func (f *farm) changed(real string) bool {
	_, copied := f.copies[real]
	_, staged := f.view[real]
	return copied || staged
}

func (f *farm) reaches(path string) bool { return f.changed(resolve(path)) }

// plan decides which files are copied. Each copy makes one of those that include it
// by an absolute path, so it goes on until there are no more.
func (f *farm) plan(conf string) {
	var sources []*source
	upward := false
	f.view.walk(conf, func(s *source) bool {
		sources = append(sources, s)
		upward = upward || s.upward
		return true
	})
	f.dirs[resolve(filepath.Dir(conf))] = true
	for path := range f.view {
		f.dirs[filepath.Dir(path)] = true
	}
	for more := true; more; {
		more = false
		for _, s := range sources {
			text := f.rewrite(s, resolve(filepath.Dir(conf)))
			if text != nil && !bytes.Equal(text, f.copies[s.real]) {
				f.copies[s.real], more = text, true
				f.dirs[filepath.Dir(s.real)] = true
			}
		}
	}
	f.close(upward)
}

// rewrite gives the text of a file with those includes changed that would lead out of
// the tree to what it has another text for; nil when there are none.
func (f *farm) rewrite(s *source, confDir string) []byte {
	var out []byte
	done := 0
	for _, in := range s.includes {
		if !slices.ContainsFunc(in.found, f.reaches) {
			continue
		}
		if !filepath.IsAbs(in.value) && !strings.Contains(in.value, "..") {
			f.open(confDir, in.found)
			continue
		}
		fixed := filepath.Dir(in.pattern)
		for strings.ContainsAny(fixed, "*?[") {
			fixed = filepath.Dir(fixed)
		}
		f.open(fixed, in.found)
		to := f.inside(resolve(fixed)) + "/" + strings.TrimLeft(in.pattern[len(fixed):], "/")
		out = append(append(out, s.text[done:in.at.from]...), quote(to)...)
		done = in.at.to
	}
	if out == nil {
		return nil
	}
	return append(out, s.text[done:]...)
}

// quote spells a word so that nginx reads it as it is.
func quote(w string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(w) + `"`
}

// open has the tree hold the directories from a fixed one down to the files that are
// changed, whichever links lead there.
func (f *farm) open(fixed string, found []string) {
	for _, path := range found {
		if !f.reaches(path) {
			continue
		}
		f.dirs[filepath.Dir(resolve(path))] = true
		for dir := filepath.Dir(path); len(dir) >= len(fixed); dir = filepath.Dir(dir) {
			f.dirs[resolve(dir)] = true
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
}

// close adds the directories between two that the tree has. With upward, it adds all
// above them, for paths that begin with "..".
func (f *farm) close(upward bool) {
	for _, dir := range f.sortedDirs() {
		var between []string
		for up := dir; up != filepath.Dir(up); {
			up = filepath.Dir(up)
			if between = append(between, up); f.dirs[up] || upward {
				for _, b := range between {
					f.dirs[b] = true
				}
			}
		}
	}
}

// sortedDirs gives the directories, each before what is in it.
func (f *farm) sortedDirs() []string {
	var dirs []string
	for dir := range f.dirs {
		dirs = append(dirs, dir)
	}
	slices.SortFunc(dirs, func(a, b string) int { return cmp.Or(len(a)-len(b), strings.Compare(a, b)) })
	return dirs
}

// build makes the tree.
func (f *farm) build() error {
	dirs := f.sortedDirs()
	for _, dir := range dirs {
		if err := os.MkdirAll(f.inside(dir), 0o700); err != nil {
			return err
		}
	}
	for _, dir := range dirs {
		if err := f.fill(dir); err != nil {
			return err
		}
	}
	for path, text := range f.copies {
		if err := os.WriteFile(f.inside(path), text, 0o600); err != nil {
			return err
		}
	}
	for path, staged := range f.view {
		if f.copies[path] != nil {
			continue
		}
		if err := os.Symlink(staged, f.inside(path)); err != nil {
			return err
		}
	}
	return nil
}

// fill makes the links of a directory to what is live there.
func (f *farm) fill(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // a new one is empty
		return err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		target := path
		if e.Type()&fs.ModeSymlink != 0 {
			if real := resolve(path); f.changed(real) || f.dirs[real] {
				target = f.inside(real)
			}
		} else if f.changed(path) || f.dirs[path] {
			continue
		}
		if err := os.Symlink(target, f.inside(path)); err != nil {
			return err
		}
	}
	return nil
}
