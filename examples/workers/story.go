package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// step is one scene. It returns when what it shows has happened, or with an error.
type step struct {
	title string
	play  func(*story, context.Context) error
}

// steps are played in this order; each builds on the ones before.
var steps = []step{
	{"three idle workers", (*story).appear},
	{"one of them gets busy", (*story).busy},
	{"loads tremble", (*story).tremble},
	{"entries that are none", (*story).absurd},
	{"an entry gets stale", (*story).stale},
	{"a worker is asked to end, and started again", (*story).leave},
	{"a worker is killed, and started again", (*story).kill},
	{"all in all", (*story).sum},
}

// stepTime bounds one step.
const stepTime = 60 * time.Second

// story is what the steps share.
type story struct {
	*world
	say   func(format string, args ...any) // prints one line of a step
	start time.Time

	workers  []*worker
	stranger *stranger
	traffic  *servers.Load // from the first step on
}

// play plays the whole story and prints it.
func play(ctx context.Context, out io.Writer) error {
	start := time.Now()
	if err := playSteps(ctx, out); err != nil {
		return err
	}
	fmt.Fprintf(out, "All went well, in %s.\n", ms(time.Since(start)))
	return nil
}

func playSteps(ctx context.Context, out io.Writer) (err error) {
	say := func(format string, args ...any) { fmt.Fprintf(out, "   "+format+"\n", args...) }
	fmt.Fprintln(out, "0. real servers on loopback addresses")
	s, err := newStory(ctx, say)
	if err != nil {
		return interrupted(ctx, err)
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	for i, step := range steps {
		fmt.Fprintf(out, "%d. %s\n", i+1, step.title)
		if err := s.run(ctx, step); err != nil {
			return interrupted(ctx, fmt.Errorf("%s: %w", step.title, err))
		}
	}
	return nil
}

// interrupted replaces what failed only because the user has ended the program.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.New("interrupted, all servers have been ended")
	}
	return err
}

func newStory(ctx context.Context, say func(string, ...any)) (*story, error) {
	start := time.Now()
	w, err := newWorld(ctx)
	if err != nil {
		return nil, err
	}
	say("Consul at %s, nginx at %s and ctmpl beside it, all up within %s", w.consul.HTTPAddr, w.addr, ms(time.Since(start)))
	say("workers update their entries each %s, which are stale after %s", updateTime, staleTime)
	return &story{world: w, say: say, start: time.Now()}, nil
}

// run plays one step. It fails when ctmpl ends, or a request has failed, though the step
// itself has not noticed. In the end it tells what the step has cost.
func (s *story) run(ctx context.Context, step step) error {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	ctx, release := s.ctmpl.bound(ctx)
	defer release()
	start, reloads := time.Now(), s.reloads()
	err := step.play(s, ctx)
	if err == nil {
		err = s.traffic.Result().Err()
	}
	if err != nil {
		return fmt.Errorf("%w%s", err, s.logs())
	}
	s.say("reloads of nginx: %d in %s", s.reloads()-reloads, ms(time.Since(start)))
	return nil
}

// stop ends everything that the story has started.
func (s *story) stop() error {
	if s.traffic != nil {
		s.traffic.Stop()
	}
	for _, k := range s.workers { // all at once: each takes its time
		k.child.terminate()
	}
	return s.world.stop()
}

// ms prints a duration as the steps do.
func ms(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
