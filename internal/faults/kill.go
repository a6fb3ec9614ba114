package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"time"
)

// poison is what checks and verifications of these trials refuse.
const poison = "# poison"

// killEach kills ctmpl at each point of a rollout, starts it again, and looks that all
// is well. With bad, what it rolls out is refused by a check or a verification.
func killEach(o options, bad bool) func(*trial) error {
	return func(t *trial) error {
		w, err := t.world(o)
		if err != nil {
			return err
		}
		k := &killing{world: w, bad: bad, live: w.now}
		points, err := k.points()
		if err != nil {
			return err
		}
		for n := range points {
			if err := k.at(n+1, false); err != nil {
				return fmt.Errorf("killed at point %d (%s): %w", n+1, points[n], err)
			}
			if !t.full {
				continue
			}
			if err := k.at(n+1, true); err != nil {
				return fmt.Errorf("killed at point %d (%s), and once more while it recovered: %w", n+1, points[n], err)
			}
		}
		t.note("killed %d times, at %d steps", k.kills, len(points))
		t.note("start to all well %s", k.took)
		return nil
	}
}

type killing struct {
	*world
	bad   bool
	live  state // that is to be live now, or soon
	kills int
	took  times
}

// change makes the catalog say what is to be rolled out, and gives what is live in the
// end.
func (k *killing) change() (state, error) {
	if k.bad {
		return k.live, k.inject(poison)
	}
	err := k.next("")
	k.live = k.now
	return k.live, err
}

// points are those that a rollout goes through.
func (k *killing) points() ([]string, error) {
	want, err := k.change()
	if err != nil {
		return nil, err
	}
	if err := k.startHalted(halt{}); err != nil {
		return nil, err
	}
	if err := k.through(want); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(k.path("points"))
	if err != nil {
		return nil, err
	}
	points := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(points) < 2 && !k.bad {
		return nil, fmt.Errorf("the rollout has the points %q only", points)
	}
	return points, k.recover(k.bad)
}

// through waits until ctmpl is through with the rollout.
func (k *killing) through(want state) error {
	if k.bad {
		if err := k.logged(0, "rollout failed"); err != nil {
			return err
		}
	}
	_, err := k.settledAt(want)
	k.took = append(k.took, time.Since(k.daemon.started))
	return err
}

// recover ends ctmpl, with what is good in the catalog and live before that.
func (k *killing) recover(good bool) error {
	if good {
		if err := k.next(""); err != nil {
			return err
		}
		if _, err := k.settled(); err != nil {
			return err
		}
		k.live = k.now
	}
	return k.daemon.stop()
}

// at kills ctmpl at a point, and twice if it is to be killed in its recovery, too.
func (k *killing) at(n int, twice bool) error {
	want, err := k.change()
	if err != nil {
		return err
	}
	if k.fresh {
		_ = os.Remove(k.third())
	}
	for _, n := range []int{n, 1}[:1+btoi(twice)] {
		if err := k.startHalted(halt{n, syscall.SIGKILL}); err != nil {
			return err
		}
		if err := k.killed(); err != nil {
			return err
		}
		k.kills++
		if err := k.valid(); err != nil {
			return err
		}
	}
	if err := k.start(); err != nil {
		return err
	}
	if err := k.through(want); err != nil {
		return err
	}
	return k.recover(k.bad && k.full)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// killRandom kills ctmpl at any time during many changes.
func killRandom(t *trial) error {
	w, err := t.world(options{two: true, top: `log_level = "info"`})
	if err != nil {
		return err
	}
	stop := make(chan struct{})
	changed := make(chan error, 1)
	go func() { changed <- w.keepChanging(stop) }()
	kills := 10
	if t.full {
		kills = 200
	}
	for range kills {
		if err := w.start(); err != nil {
			return err
		}
		select {
		case <-time.After(time.Duration(rand.Int64N(int64(400 * time.Millisecond)))):
		case <-t.ctx.Done():
			return t.ctx.Err()
		}
		w.daemon.kill()
	}
	close(stop)
	if err := <-changed; err != nil {
		return err
	}
	if err := w.start(); err != nil {
		return err
	}
	took, err := w.settled()
	t.note("killed %d times during %d changes; the last start to all well %s", kills, w.now.rev, short(took))
	return err
}

// keepChanging changes the catalog again and again.
func (w *world) keepChanging(stop <-chan struct{}) error {
	for {
		select {
		case <-stop:
			return nil
		case <-time.After(30 * time.Millisecond):
		}
		if err := w.next(""); err != nil {
			return err
		}
	}
}
