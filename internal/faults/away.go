package main

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// killAway kills ctmpl at each point of a rollout of two files, and starts it again
// while Consul does not answer.
func killAway(t *trial) error {
	agent, err := t.agent(servers.ConsulOptions{})
	if err != nil {
		return err
	}
	p := t.proxy(agent)
	w, err := t.world(options{agent: agent, addr: strings.TrimPrefix(p.url, "http://"), two: true})
	if err != nil {
		return err
	}
	k := &killing{world: w, live: w.now}
	points, err := k.points()
	if err != nil {
		return err
	}
	before := 0
	for n := range points {
		old := w.now
		if err := errors.Join(w.next(""), w.startHalted(halt{n + 1, syscall.SIGKILL}), w.killed()); err != nil {
			return fmt.Errorf("killed at point %d (%s): %w", n+1, points[n], err)
		}
		p.set("500")
		if err := w.start(); err != nil {
			return err
		}
		isOld := false
		err := w.wait(func() error {
			err := w.shows(old)
			if isOld = err == nil; !isOld {
				err = w.shows(w.now)
			}
			return errors.Join(err, w.leftovers())
		})
		if err := errors.Join(err, w.valid()); err != nil {
			return fmt.Errorf("killed at point %d (%s), without Consul: %w", n+1, points[n], err)
		}
		before += btoi(isOld)
		p.set("")
		if _, err := w.settled(); err != nil {
			return fmt.Errorf("killed at point %d (%s), when Consul is back: %w", n+1, points[n], err)
		}
		if err := w.daemon.stop(); err != nil {
			return err
		}
	}
	t.note("killed at %d steps; the revision before was back %d times", len(points), before)
	return nil
}
