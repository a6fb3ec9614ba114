package files

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/ctmpl/ctmpl/watch"
)

// Contents answers queries of kind watch.KindFile: it keeps the content of the
// wanted files in a store. A file that is missing, or vanishes, is no answer: what
// was read last stays. Only where a query is for a file if there is any it is "".
type Contents struct {
	watcher *Watcher
	store   *watch.Store

	mu     sync.Mutex // of a reading too, so that what was read last is stored last
	wanted watch.Set
	errs   map[watch.Query]string // what was said of those that cannot be read
}

// NewContents makes a Contents that puts what it reads into store.
func NewContents(w *Watcher, store *watch.Store) *Contents {
	return &Contents{watcher: w, store: store, errs: map[watch.Query]string{}}
}

// Want sets the complete set of queries to answer. It is called by one goroutine.
func (c *Contents) Want(set watch.Set) {
	byPath := map[string][]watch.Query{}
	for q := range set {
		byPath[q.Name] = append(byPath[q.Name], q)
	}
	c.watcher.Watch("contents", slices.Collect(maps.Keys(byPath)), func(path string) {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, q := range byPath[path] {
			if _, ok := c.wanted[q]; ok {
				c.read(q)
			}
		}
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.wanted
	c.wanted = maps.Clone(set)
	for q := range old {
		if _, ok := set[q]; !ok {
			c.store.Drop(q)
			delete(c.errs, q)
		}
	}
	for q := range set {
		if _, ok := old[q]; !ok {
			c.read(q)
		}
	}
}

// read stores the content of a file. What is wrong with it is said when it changes;
// that a file is missing is not wrong. The caller holds the lock.
func (c *Contents) read(q watch.Query) {
	data, err := read(q.Name, q.Param("sandbox"))
	text := ""
	if err == nil || q.Param("if-any") != "" {
		c.store.Put(q, string(data))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		text = err.Error()
	}
	if text != "" && text != c.errs[q] {
		c.watcher.log.Warn("cannot read a file that a template wants: waiting for it to change", "file", q.Name, "error", err)
	}
	c.errs[q] = text
}

// read reads a file. With a sandbox it is opened from there, so that no symbolic
// link leads out of it, not even one that is made in between.
func read(path, sandbox string) ([]byte, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		return nil, errors.New("it is no file") // reading could wait for ever
	}
	if sandbox == "" {
		return os.ReadFile(path)
	}
	below, err := inside(sandbox, path)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(sandbox)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return root.ReadFile(below)
}

// inside gives the way from a sandbox to a file. It follows symbolic links, since
// one with an absolute target may well lead to a place inside.
func inside(sandbox, path string) (string, error) {
	var ends [2]string
	for i, p := range []string{sandbox, path} {
		abs, err := filepath.Abs(p)
		if err != nil {
			return "", err
		}
		if ends[i], err = filepath.EvalSymlinks(abs); err != nil {
			return "", err
		}
	}
	below, err := filepath.Rel(ends[0], ends[1])
	if err != nil || !filepath.IsLocal(below) {
		return "", fmt.Errorf("it is outside of sandbox_path %s", sandbox)
	}
	return below, nil
}
