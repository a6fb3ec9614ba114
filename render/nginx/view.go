package nginx

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/ctmpl/ctmpl/render/rollout"
)

// view is the files as they would be with staged ones live. Its paths are absolute
// and without symbolic links.
type view map[string]string // from where a file is to live to where it is now

func viewOf(staged []rollout.Staged) view {
	v := make(view, len(staged))
	for _, s := range staged {
		v[s.Path] = s.Staged
	}
	return v
}

func (v view) read(path string) ([]byte, error) {
	if staged, ok := v[resolve(path)]; ok {
		path = staged
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // a pipe would wait
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	return os.ReadFile(path)
}

// resolve gives a path without symbolic links. Its end need not exist.
func resolve(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	dir := filepath.Dir(path)
	if dir == path {
		return path
	}
	return filepath.Join(resolve(dir), filepath.Base(path))
}

// expand gives the files that an absolute pattern of include means, as it spells
// them, with those that are only staged.
func (v view) expand(pattern string) []string {
	if !strings.ContainsAny(pattern, "*?[") {
		return []string{pattern}
	}
	pattern = strings.ReplaceAll(pattern, "[!", "[^")
	hidden := strings.HasPrefix(filepath.Base(pattern), ".") // else * does not mean them
	found, _ := filepath.Glob(pattern)
	var out []string
	for _, path := range found {
		if hidden || !strings.HasPrefix(filepath.Base(path), ".") {
			out = append(out, path)
		}
	}
	return append(out, v.added(pattern)...)
}

// added are the staged files that a pattern means and that are not there yet.
func (v view) added(pattern string) []string {
	dirs := []string{filepath.Dir(pattern)}
	if strings.ContainsAny(dirs[0], "*?[") {
		dirs, _ = filepath.Glob(dirs[0])
	}
	var out []string
	for path := range v {
		if _, err := os.Lstat(path); err == nil {
			continue
		}
		if matched, _ := filepath.Match(pattern, path); matched { // in a new directory, maybe
			out = append(out, path)
			continue
		}
		for _, dir := range dirs {
			if matched, _ := filepath.Match(filepath.Base(pattern), filepath.Base(path)); matched && resolve(dir) == filepath.Dir(path) {
				out = append(out, filepath.Join(dir, filepath.Base(path)))
			}
		}
	}
	return out
}

// source is a file that nginx would read as configuration.
type source struct {
	path     string // as it was included
	real     string // without symbolic links
	text     []byte
	includes []include
	upward   bool // it may hold paths that begin with ".."
}

// include is a directive that includes other files.
type include struct {
	at      span   // the word of the pattern
	value   string // what that means
	pattern string // the same as an absolute path
	found   []string
}

// walk calls f for the main file and all that is included from it, each once, until f
// returns false. What cannot be read or parsed is nginx's to complain about.
func (v view) walk(main string, f func(*source) bool) {
	seen := make(map[string]bool)
	for queue := []string{main}; len(queue) > 0; queue = queue[1:] {
		real := resolve(queue[0])
		if seen[real] {
			continue
		}
		seen[real] = true
		text, err := v.read(real)
		if err != nil {
			continue
		}
		s := &source{path: queue[0], real: real, text: text, upward: bytes.Contains(text, []byte("../"))}
		s.includes = v.includes(text, filepath.Dir(main))
		if !f(s) {
			return
		}
		for _, in := range s.includes {
			queue = append(queue, in.found...)
		}
	}
}

// includes finds the directives in a text. Most generated files have none, which a
// search for the name tells at once.
func (v view) includes(text []byte, dir string) []include {
	if !bytes.Contains(text, []byte("include")) {
		return nil
	}
	c, err := parse(text)
	if err != nil {
		return nil
	}
	var out []include
	for _, n := range c.nodes {
		if n.block || n.args() != 2 || !c.is(n, "include") {
			continue
		}
		in := include{at: c.words[n.words.from+1], value: c.value(n, 1)}
		in.pattern = absolute(in.value, dir)
		in.found = v.expand(in.pattern)
		out = append(out, in)
	}
	return out
}
