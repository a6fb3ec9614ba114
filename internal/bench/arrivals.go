package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// deadline bounds the wait for one file.
const deadline = 2 * time.Minute

// arrivals notes when changes are first seen in the file that a program keeps. Its
// methods are for any number of goroutines.
type arrivals struct {
	path    string
	watcher *fsnotify.Watcher

	mu        sync.Mutex
	awaited   []arrival
	delays    []time.Duration
	instances int           // in the file, when it was last read
	news      chan struct{} // closed, and made anew, when the file was read
}

// arrival is a new port of an instance, which is to be seen.
type arrival struct {
	instance string
	port     int
	since    time.Time
}

// watchFile follows a file, which need not be there yet, until it is closed.
func watchFile(path string) (*arrivals, error) {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	if err := watcher.Add(filepath.Dir(path)); err != nil {
		return nil, errors.Join(err, watcher.Close())
	}
	a := &arrivals{path: path, watcher: watcher, news: make(chan struct{})}
	go a.follow()
	return a, nil
}

func (a *arrivals) close() { _ = a.watcher.Close() }

func (a *arrivals) follow() {
	for event := range a.watcher.Events {
		if event.Name == a.path && event.Has(fsnotify.Create) { // a rename over it
			a.read(time.Now())
		}
	}
}

// read looks at the file, which was put in place at a time.
func (a *arrivals) read(at time.Time) {
	data, err := os.ReadFile(a.path)
	if err != nil {
		return
	}
	ports := changedPorts(data)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.instances = bytes.Count(data, []byte("  server "))
	there := make(map[string]bool)
	var missing []arrival
	for i := len(a.awaited) - 1; i >= 0; i-- { // the later port of an instance replaces the one before
		if w := a.awaited[i]; ports[w.port] || there[w.instance] {
			there[w.instance] = true
			a.delays = append(a.delays, at.Sub(w.since))
		} else {
			missing = append([]arrival{w}, missing...)
		}
	}
	a.awaited = missing
	close(a.news)
	a.news = make(chan struct{})
}

// changedPorts are those in the file that a change has set.
func changedPorts(data []byte) map[int]bool {
	ports := make(map[int]bool)
	for {
		_, rest, found := bytes.Cut(data, []byte(":"))
		if !found {
			return ports
		}
		port, digits := 0, 0
		for digits < len(rest) && rest[digits] >= '0' && rest[digits] <= '9' {
			port = port*10 + int(rest[digits]-'0')
			digits++
		}
		if port > firstPort {
			ports[port] = true
		}
		data = rest[digits:]
	}
}

// expect notes a change that begins now.
func (a *arrivals) expect(instance string, port int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.awaited = append(a.awaited, arrival{instance, port, time.Now()})
}

// take waits until nothing is missing, and gives the times of all changes since it
// was last called.
func (a *arrivals) take(ctx context.Context) ([]time.Duration, error) {
	err := a.until(ctx, func() error {
		if n := len(a.awaited); n > 0 {
			return fmt.Errorf("%d changes are not in the file, the first is port %d of %s", n, a.awaited[0].port, a.awaited[0].instance)
		}
		return nil
	})
	a.mu.Lock()
	defer a.mu.Unlock()
	delays := a.delays
	a.delays = nil
	return delays, err
}

// complete waits for a file with so many instances.
func (a *arrivals) complete(ctx context.Context, instances int) error {
	return a.until(ctx, func() error {
		if a.instances != instances {
			return fmt.Errorf("the file has %d of %d instances", a.instances, instances)
		}
		return nil
	})
}

// until waits for a condition on what the file has.
func (a *arrivals) until(ctx context.Context, condition func() error) error {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	for {
		a.mu.Lock()
		err, news := condition(), a.news
		a.mu.Unlock()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, context.Cause(ctx))
		case <-news:
		}
	}
}
