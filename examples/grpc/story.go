package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// step is one scene. It returns when what it shows has happened, or with an error. No
// call of a client with the retry policy may fail meanwhile.
type step struct {
	title string
	play  func(*story, context.Context) error
}

// steps are played in this order; each builds on the ones before.
var steps = []step{
	{"there is no server", (*story).nothing},
	{"three servers pass their TTL", (*story).appear},
	{"one connection is spread over all three", (*story).spread},
	{"streams", (*story).streams},
	{"a server stops to pass its TTL", (*story).lapse},
	{"it passes it again: a reload under calls and streams", (*story).reload},
	{"a server is killed", (*story).kill},
	{"it comes back", (*story).comeBack},
	{"Consul asks gRPC's health service by itself", (*story).consulAsks},
	{"a server ends well", (*story).leave},
	{"all in all", (*story).sum},
}

// stepTime bounds one step.
const stepTime = 60 * time.Second

// story is what the steps share.
type story struct {
	*world
	say func(format string, args ...any) // prints one line of a step

	servers map[string]*server // by name
	traffic *traffic           // with the retry policy, from the third step on
	plain   *traffic           // the same without it, beside that
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
	return &story{world: w, say: say, servers: map[string]*server{}}, nil
}

// run plays one step. It fails when ctmpl ends, or calls have failed, though the step
// itself has not noticed.
func (s *story) run(ctx context.Context, step step) error {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	ctx, release := s.ctmpl.bound(ctx)
	defer release()
	err := step.play(s, ctx)
	if err == nil && s.traffic.running() {
		err = s.report(ctx)
	}
	if err != nil {
		return fmt.Errorf("%w%s", err, s.logs())
	}
	return nil
}

// stop ends everything that the story has started.
func (s *story) stop() error {
	return errors.Join(s.traffic.stop(), s.plain.stop(), s.world.stop())
}

// ms prints a duration as the steps do.
func ms(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
