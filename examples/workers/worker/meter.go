package main

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// deadband is by how much a load has to differ from what was told last to be news. A load
// that trembles on the edge between two weights would reload nginx at each update.
const deadband = 5

// meter tells how busy a worker is.
type meter struct {
	slots int
	file  string // in place of requests

	mu      sync.Mutex
	running int           // requests
	since   time.Time     // when running was counted into busy
	busy    time.Duration // of all requests together, since start
	start   time.Time     // of the period, which the last call of load ended
	told    int           // -1: nothing yet
}

func newMeter(slots int, file string) *meter {
	now := time.Now()
	return &meter{slots: slots, file: file, since: now, start: now, told: -1}
}

// count counts the requests that are under way in next.
func (m *meter) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.add(1)
		defer m.add(-1)
		next.ServeHTTP(w, r)
	})
}

func (m *meter) add(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.settle(time.Now())
	m.running += n
}

// settle counts what runs into busy.
func (m *meter) settle(now time.Time) {
	m.busy += time.Duration(m.running) * now.Sub(m.since)
	m.since = now
}

// load gives the load since the last call, from 0 to 100, or what that has given when it
// is about the same.
func (m *meter) load() (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	load, err := m.measure()
	if err != nil {
		return 0, err
	}
	if m.told < 0 || max(load-m.told, m.told-load) >= deadband {
		m.told = load
	}
	return m.told, nil
}

func (m *meter) measure() (int, error) {
	if m.file != "" {
		return fromFile(m.file)
	}
	now := time.Now()
	m.settle(now)
	possible := time.Duration(m.slots) * now.Sub(m.start)
	busy := m.busy
	m.busy, m.start = 0, now
	if possible <= 0 {
		return 0, nil
	}
	return int(min(100, 100*busy/possible)), nil
}

// fromFile reads a load that another program has written, replacing the file as a whole.
func fromFile(path string) (int, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("read the load: %w", err)
	}
	load, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || load < 0 || load > 100 {
		return 0, fmt.Errorf("read the load: %s: want a number from 0 to 100", path)
	}
	return load, nil
}
