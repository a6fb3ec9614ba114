// Package files notices when files change: templates, configuration, catalogs and
// what the function file reads.
//
// What it guarantees:
//
//   - A change is one of content. Touching a file, or replacing it by an equal
//     one, is none.
//   - It sees editors that write in place, those that rename a new file over the
//     old one, and symbolic links that are switched anywhere on the way, as
//     Kubernetes does it for mounted volumes.
//   - A path may be missing, and appear, vanish or be moved later, with its
//     directories.
//   - Of a directory, the files count that conf.Files gives: those in it and below it,
//     but nothing hidden.
//   - Changes in quick succession are reported once, when they have settled.
//   - Where the system offers no notifications, it looks every two seconds.
package files

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Changes are reported when nothing has happened for settle, and at the latest
// after settleMax.
const (
	settle    = 50 * time.Millisecond
	settleMax = 500 * time.Millisecond
	pollEvery = 2 * time.Second
)

// Watcher watches files. Watch may be called by several goroutines.
type Watcher struct {
	log       *slog.Logger
	newNotify func() (*fsnotify.Watcher, error)
	settle    time.Duration
	pollEvery time.Duration

	mu     sync.Mutex
	groups map[string]*group
	wake   chan struct{}

	// The rest belongs to the goroutine of Run.
	notify  *fsnotify.Watcher // nil where there is none
	polling bool
	watched places
	dirs    map[string]os.FileInfo // the directories that have notifications
}

// group is a set of paths with one listener.
type group struct {
	prints  map[string]print // path → content as last reported
	changed func(path string)
}

// New makes a watcher; it sees changes while Run runs.
func New(log *slog.Logger) *Watcher {
	return &Watcher{
		log: log, newNotify: fsnotify.NewWatcher, settle: settle, pollEvery: pollEvery,
		groups: map[string]*group{}, wake: make(chan struct{}, 1), dirs: map[string]os.FileInfo{},
	}
}

// Watch sets the paths of a group, files or directories, in place of those it had.
// changed is called for each path whose content is not what it was when Watch was
// called or when it was last reported; so call Watch first and read then. It is
// called by the goroutine of Run, and must not block.
func (w *Watcher) Watch(name string, paths []string, changed func(path string)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	g := &group{prints: map[string]print{}, changed: changed}
	for _, path := range paths {
		if old := w.groups[name]; old != nil {
			if p, ok := old.prints[path]; ok {
				g.prints[path] = p
				continue
			}
		}
		g.prints[path] = take(path)
	}
	w.groups[name] = g
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Run watches until ctx ends.
func (w *Watcher) Run(ctx context.Context) {
	events, errs := w.open()
	if w.notify != nil {
		defer w.notify.Close()
	}
	check := time.NewTimer(0)
	defer check.Stop()
	var since time.Time // of the first event that was not looked at yet
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
			check.Reset(0)
		case e, ok := <-events:
			if !ok {
				events, errs = nil, nil
			}
			if !w.concerns(e.Name) {
				continue
			}
			now := time.Now()
			if since.IsZero() {
				since = now
			}
			check.Reset(min(w.settle, since.Add(settleMax).Sub(now)))
		case err := <-errs:
			w.log.Debug("file notifications were lost: looking at all files", "error", err)
			check.Reset(w.settle)
		case <-check.C:
			since = time.Time{}
			w.trace()
			w.look()
			if w.polling {
				check.Reset(w.pollEvery)
			}
		}
	}
}

// open starts the notifications; without them both channels are nil.
func (w *Watcher) open() (<-chan fsnotify.Event, <-chan error) {
	n, err := w.newNotify()
	if err != nil {
		w.poll(err)
		return nil, nil
	}
	w.notify = n
	return n.Events, n.Errors
}

func (w *Watcher) poll(err error) {
	if !w.polling {
		w.log.Warn("no notifications for files: looking every 2s", "error", err)
	}
	w.polling = true
}

// concerns tells whether an event may have changed a watched file.
func (w *Watcher) concerns(path string) bool {
	if _, ok := w.watched[path]; ok { // the directory itself was moved or removed
		return true
	}
	return w.watched[filepath.Dir(path)].has(filepath.Base(path))
}

// trace has the notifications cover what the paths lead to now. What was made
// while it looked may need further ones, so it looks until there is nothing new.
func (w *Watcher) trace() {
	const most = 20 // whoever makes directories faster than this is seen when he stops
	for range most {
		found := places{}
		w.mu.Lock()
		for _, g := range w.groups {
			for path := range g.prints {
				found.add(path)
			}
		}
		w.mu.Unlock()
		if !w.follow(found) {
			return
		}
	}
}

// follow makes the notifications cover exactly the given directories, and tells
// whether that took any new ones.
func (w *Watcher) follow(found places) (news bool) {
	if w.notify == nil {
		return false
	}
	active := map[string]bool{}
	for _, dir := range w.notify.WatchList() {
		active[dir] = true
		if _, ok := found[dir]; !ok {
			_ = w.notify.Remove(dir) // it may be gone already
		}
	}
	maps.DeleteFunc(w.dirs, func(dir string, _ os.FileInfo) bool { return !active[dir] })
	for dir, n := range found {
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() { // it has just vanished
			news = true
			continue
		}
		if active[dir] && w.dirs[dir] != nil && os.SameFile(w.dirs[dir], info) {
			continue
		}
		if active[dir] { // another directory has taken the place
			_ = w.notify.Remove(dir)
		}
		if w.cover(dir, n) {
			w.dirs[dir], news = info, true
		}
	}
	w.watched = found
	return news
}

// cover starts the notifications of a directory. It tells whether that has changed
// anything.
func (w *Watcher) cover(dir string, n names) bool {
	switch err := w.notify.Add(dir); {
	case err == nil, errors.Is(err, fs.ErrNotExist):
		return true
	case errors.Is(err, fs.ErrPermission) && !n.vital:
		// That it is moved goes unnoticed.
	default:
		w.poll(err)
	}
	return false
}

// look compares all files with what was reported of them.
func (w *Watcher) look() {
	var reports []func()
	w.mu.Lock()
	for _, g := range w.groups {
		for path, old := range g.prints {
			if p := take(path); p != old {
				g.prints[path] = p
				reports = append(reports, func() { g.changed(path) })
			}
		}
	}
	w.mu.Unlock()
	for _, report := range reports {
		report()
	}
}
