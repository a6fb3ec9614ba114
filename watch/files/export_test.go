package files

import (
	"time"

	"github.com/fsnotify/fsnotify"
)

// SetSettle sets for how long nothing may happen before a change is reported.
func (w *Watcher) SetSettle(d time.Duration) { w.settle = d }

// Watched gives the directories that have notifications. Call it when Run has nothing
// to do.
func (w *Watcher) Watched() []string { return w.notify.WatchList() }

// SetNotify replaces the notifications, and the time between two looks without them.
func (w *Watcher) SetNotify(open func() (*fsnotify.Watcher, error), poll time.Duration) {
	w.newNotify, w.pollEvery = open, poll
}
