package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// follow makes a world with a ctmpl that has rolled out a change there.
func (t *trial) follow(o options) (*world, error) {
	w, err := t.world(o)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(w.start(), w.next("")); err != nil {
		return nil, err
	}
	_, err = w.settled()
	return w, err
}

// settled waits until all is as the catalog says, and gives how long that took.
func (w *world) settled() (time.Duration, error) { return w.settledAt(w.now) }

// settledAt waits until all is as it is to be with a state.
func (w *world) settledAt(s state) (time.Duration, error) {
	start := time.Now()
	err := w.wait(func() error { return errors.Join(w.shows(s), w.leftovers()) })
	took := time.Since(start)
	if err == nil {
		err = w.nginx.Check(w.ctx)
	}
	if err == nil && !w.daemon.runs() {
		err = errors.New("ctmpl has ended")
	}
	if err != nil {
		return took, fmt.Errorf("not settled at revision %d: %w", s.rev, err)
	}
	return took, nil
}

// shows tells whether a state is live: in the files, and in what nginx answers.
func (w *world) shows(s state) error {
	if err := same(w.live(), s.file()); err != nil {
		return err
	}
	want := fmt.Sprint(s.rev)
	if w.two {
		if err := same(w.pair(), s.second()); err != nil {
			return err
		}
		want += fmt.Sprintf("-%d", s.rev)
	}
	if w.fresh {
		if err := same(w.third(), s.third()); err != nil {
			return err
		}
	}
	for range 4 { // old workers may take some while new ones do
		got, err := w.revision()
		if err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("nginx serves revision %s, want %s", got, want)
		}
	}
	return nil
}

// revision is what nginx serves.
func (w *world) revision() (string, error) {
	return servers.Get(w.ctx, servers.LoadOptions{Addr: fmt.Sprintf("127.0.0.1:%d", w.port), Path: "/revision", Timeout: 5 * time.Second})
}

func same(path, want string) error {
	got, err := os.ReadFile(path)
	if err == nil && string(got) != want {
		err = fmt.Errorf("%s holds\n%.600s\nwant\n%.600s", filepath.Base(path), got, want)
	}
	return err
}

// leftovers are what a rollout must not leave behind: files beside the destinations,
// notes that something is under way, mounts.
func (w *world) leftovers() error {
	var found []string
	for _, pattern := range []string{"conf.d/.*", "conf.d/*ctmpl*", "state/targets/*/pending.json", "state/targets/*/*.tmp"} {
		names, err := filepath.Glob(w.path(pattern))
		if err != nil {
			return err
		}
		found = append(found, names...)
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); strings.HasPrefix(fields[1], w.dir) && !strings.HasPrefix(fields[0], "ctmpl-faults") {
			found = append(found, line)
		}
	}
	if len(found) > 0 {
		return fmt.Errorf("left behind: %s", strings.Join(found, ", "))
	}
	return nil
}

// valid tells whether what is live would do for a start of nginx.
func (w *world) valid() error {
	if err := w.nginx.Check(w.ctx); err != nil {
		return fmt.Errorf("what is live is not valid: %w", err)
	}
	return nil
}
