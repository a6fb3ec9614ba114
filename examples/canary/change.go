package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// moveTime is how long a change may take, from the write in Consul until no request goes
// where it should no longer go: the median, since others may work on the machine.
const moveTime = time.Second

// state is what nginx's file has, or has no longer.
type state struct{ has, lacks string }

var (
	onlyV1 = state{has: "# shop-v1-1 ", lacks: "shop-v2"}
	onlyV2 = state{has: "# shop-v2-1 ", lacks: "shop-v1"}
	both   = state{has: "# shop-v2-1 ", lacks: "split_clients"} // in one upstream
)

// shared is the state at a percentage.
func shared(percent int) state { return state{has: fmt.Sprintf(" %d%% _route._canary.shop;", percent)} }

// file gives nginx's main file.
func (w *world) file() (string, error) {
	text, err := os.ReadFile(w.conf)
	return string(text), err
}

// reaches waits until nginx has taken over a file of that state. before are the workers of
// when it had another one, which go on to accept connections for a moment.
func (w *world) reaches(ctx context.Context, want state, before []int) error {
	return servers.Wait(ctx, func() error {
		text, err := w.file()
		if err != nil {
			return err
		}
		if !strings.Contains(text, want.has) || want.lacks != "" && strings.Contains(text, want.lacks) {
			return fmt.Errorf("nginx's file should have %q, and should not have %q", want.has, want.lacks)
		}
		now := w.nginx.Workers()
		if len(now) == 0 || slices.ContainsFunc(before, func(pid int) bool { return slices.Contains(now, pid) }) {
			return fmt.Errorf("nginx's workers are %v and were %v", now, before)
		}
		return nil
	})
}

// change is what became of the regulars with a change in Consul.
type change struct {
	moved    int           // users with another version than before
	first    time.Duration // from the change until one of them sent a request to the new one
	last     time.Duration // and until one sent the last request to the old one
	requests int           // meanwhile
	back     []string      // users who had v2 before
}

// change makes a change and waits until nginx has that state and all regulars have come
// twice since. Each must have one version then. What moved has to do so in time.
func (s *story) change(ctx context.Context, do func(context.Context) error, want state) (change, error) {
	s.traffic.take()
	before, start := s.nginx.Workers(), time.Now()
	if err := do(ctx); err != nil {
		return change{}, err
	}
	if err := s.reaches(ctx, want, before); err != nil {
		return change{}, err
	}
	live := time.Now()
	if err := s.traffic.rounds(ctx, 2); err != nil {
		return change{}, err
	}
	visits := s.traffic.take()
	after := census{}
	for _, v := range visits {
		if v.sent.After(live) {
			if err := after.add(v.user, v.version); err != nil {
				return change{}, err
			}
		}
	}
	c := changeOf(s.had, after, visits, start)
	s.had = after
	if c.moved == 0 {
		return c, errors.New("nobody has moved")
	}
	s.moves = append(s.moves, c.last)
	return c, nil
}

// changeOf compares what the users had before and after.
func changeOf(before, after census, visits []visit, start time.Time) change {
	c := change{requests: len(visits)}
	for user, version := range after {
		if had := before[user]; had != version {
			c.moved++
			if had == "v2" {
				c.back = append(c.back, user)
			}
		}
	}
	for _, v := range visits {
		after, now := v.sent.Sub(start), after[v.user]
		switch {
		case before[v.user] == now || after < 0:
		case v.version != now:
			c.last = max(c.last, after)
		case c.first == 0 || after < c.first:
			c.first = after
		}
	}
	return c
}

// String tells it.
func (c change) String() string {
	return fmt.Sprintf("%d of %d regulars move: the first after %s, the last request to the old version %s after the change; %d requests meanwhile, 0 failed",
		c.moved, regulars, ms(c.first), ms(c.last), c.requests)
}

// turn changes the percentage and tells what has become of it. Nobody may lose the canary.
func (s *story) turn(ctx context.Context, percent string, want state) error {
	c, err := s.change(ctx, func(ctx context.Context) error { return s.put(ctx, percent) }, want)
	if err != nil {
		return err
	}
	s.say("%s %%: %s", percent, c)
	if len(c.back) > 0 {
		return fmt.Errorf("these had v2 at a lower percentage: %v", c.back)
	}
	return nil
}

// inTime tells how long all changes took.
func (s *story) inTime() error {
	slices.Sort(s.moves)
	median, longest := s.moves[len(s.moves)/2], s.moves[len(s.moves)-1]
	s.say("%d changes of the key: until no request went to the old version any more it took %s (median), %s at most", len(s.moves), ms(median), ms(longest))
	if median > moveTime {
		return fmt.Errorf("that is more than %s", moveTime)
	}
	return nil
}
