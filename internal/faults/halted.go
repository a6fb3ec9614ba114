package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// An interruption is something that happens at a point of a rollout, while ctmpl stands
// still, and then goes on for a while.
type interruption struct {
	begin func(*world) error
	end   func(*world) error
	// extra goes into what is rolled out, and refused says that this is refused.
	extra   string
	refused bool
	nginx   bool // it takes nginx down
	// again: what could not be removed meanwhile goes with the next start of ctmpl.
	again bool
}

// interruptEach does it at each point of a rollout.
func interruptEach(o options, i interruption) func(*trial) error {
	return func(t *trial) error {
		w, err := t.world(o)
		if err != nil {
			return err
		}
		k := &killing{world: w, bad: i.refused, live: w.now}
		points, err := k.points()
		if err != nil {
			return err
		}
		var took times
		for n := range points {
			err := i.at(w, n+1, &took)
			if err != nil {
				return fmt.Errorf("at point %d (%s): %w", n+1, points[n], err)
			}
		}
		t.note("at %d steps", len(points))
		t.note("end of the fault to all well %s", took)
		return nil
	}
}

// at has ctmpl roll out something, and does it at a point of that.
func (i interruption) at(w *world, n int, took *times) error {
	before := w.now
	if err := w.inject(i.extra); err != nil {
		return err
	}
	if err := w.startHalted(halt{n, syscall.SIGSTOP}); err != nil {
		return err
	}
	if err := w.stopped(); err != nil {
		return err
	}
	if err := i.during(w); err != nil {
		return err
	}
	if i.refused { // what is live is to be as before
		w.now = before
	}
	if err := w.wait(func() error { return w.shows(w.now) }); err != nil {
		return err
	}
	if err := w.next(""); err != nil {
		return err
	}
	if i.again {
		if err := w.wait(func() error { return w.shows(w.now) }); err != nil {
			return err
		}
		if err := errors.Join(w.daemon.stop(), w.start()); err != nil {
			return err
		}
	}
	d, err := w.settled()
	*took = append(*took, d)
	return errors.Join(err, w.daemon.stop())
}

// during is the time of the interruption.
func (i interruption) during(w *world) error {
	f := func() error {
		if err := i.begin(w); err != nil {
			return err
		}
		_ = w.daemon.cmd.Process.Signal(syscall.SIGCONT)
		err := w.wait(func() error { return w.past() })
		if err == nil && !i.nginx {
			err = w.valid()
		}
		return errors.Join(err, i.end(w))
	}
	if i.nginx {
		return w.excuse(f)
	}
	return f()
}

// stopped waits until ctmpl stands still.
func (w *world) stopped() error {
	return w.wait(func() error {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", w.daemon.cmd.Process.Pid))
		if err != nil {
			return err
		}
		_, rest, _ := strings.Cut(string(stat), ") ") // proc_pid_stat(5)
		if !strings.HasPrefix(rest, "T") {
			return errors.New("ctmpl does not stand still")
		}
		return nil
	})
}

// past tells whether ctmpl is past the rollout: it has complained, or reached the last
// point.
func (w *world) past() error {
	text := w.daemon.log.since(0)
	for _, said := range []string{"rollout failed", "cannot", "when there is somebody"} {
		if strings.Contains(text, said) {
			return nil
		}
	}
	points, err := os.ReadFile(w.path("points"))
	if err == nil && !strings.HasSuffix(string(points), "\nended\n") {
		err = fmt.Errorf("ctmpl has gone on to the points %q only", points)
	}
	return err
}
