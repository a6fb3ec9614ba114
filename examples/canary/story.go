package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// step is one scene. It returns when what it shows has happened, or with an error. No
// request may fail meanwhile.
type step struct {
	title string
	play  func(*story, context.Context) error
}

// steps are played in this order; each builds on the ones before.
var steps = []step{
	{"v1 is all there is", (*story).begin},
	{"0 %: v2 is registered, and gets nothing", (*story).none},
	{"5 %: of 20,000 users", (*story).few},
	{"the same user gets the same version", (*story).sticky},
	{"50 %: more users, and nobody goes back", (*story).half},
	{"another gateway, by a template of one's own, decides alike", (*story).own},
	{"v2 falls ill, and recovers", (*story).ill},
	{"values that are no percentage", (*story).nonsense},
	{"100 %", (*story).all},
	{"v1 is deregistered and stopped", (*story).leave},
	{"the release is over: the key is deleted", (*story).over},
}

// stepTime bounds one step.
const stepTime = 60 * time.Second

// story is what the steps share.
type story struct {
	*world
	say func(format string, args ...any) // prints one line of a step

	shops   map[string][]*instance // by version
	traffic *traffic               // from the first step on
	had     census                 // of the regulars, since the last change
	survey  census                 // of 20,000 users at 5 %
	halves  census                 // of some of them at 50 %
	moves   []time.Duration        // how long each change took
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
	return &story{world: w, say: say, shops: map[string][]*instance{}}, nil
}

// run plays one step. It fails when ctmpl ends, or a request of the traffic has failed,
// though the step itself has not noticed.
func (s *story) run(ctx context.Context, step step) error {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	ctx, release := s.ctmpl.bound(ctx)
	defer release()
	if err := errors.Join(step.play(s, ctx), s.traffic.err()); err != nil {
		return fmt.Errorf("%w%s", err, s.logs())
	}
	return nil
}

// stop ends everything that the story has started.
func (s *story) stop() error {
	s.traffic.stop()
	return s.world.stop()
}

// ms prints a duration as the steps do.
func ms(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
