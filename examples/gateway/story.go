package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// step is one scene. It returns when what it shows has happened, or with an error.
type step struct {
	title string
	play  func(*story, context.Context) error
}

// steps gives what is played, in this order; each builds on the ones before. What the
// template decides differs.
func steps(handwritten bool) []step {
	if handwritten {
		return slices.Concat(opening, []step{
			{"a service without a healthy instance holds up all changes", (*story).unhealthyHoldsUp},
		}, closing)
	}
	return slices.Concat(opening, []step{
		{"TLS passes through by the host that the client asks for", (*story).byHost},
		{"a service without a healthy instance harms no other", (*story).unhealthyAlone},
	}, closing)
}

var opening = []step{
	{"no tagged service: no upstream", (*story).nothing},
	{"three instances of httpfront appear", (*story).appear},
	{"httpfront calls httpbackend, found through Consul", (*story).internal},
	{"one instance is stopped under load", (*story).stopOne},
	{"one instance is killed under load", (*story).killOne},
	{"TCP through stream", (*story).tcp},
	{"TLS passes through stream, on a port of its own", (*story).passthrough},
}

var closing = []step{{"the Consul leader is killed under load", (*story).killLeader}}

// stepTime bounds one step. The longest waits for Consul to notice a dead node.
const stepTime = 60 * time.Second

// story is what the steps share.
type story struct {
	*world
	say func(format string, args ...any) // prints one line of a step

	fronts    map[string]*container // of httpfront, those that nginx should use
	traffic   *traffic              // from the second step on
	longLived *session              // through stream, from its step on
}

// play plays the whole story and prints it.
func play(ctx context.Context, handwritten bool, out io.Writer) error {
	start := time.Now()
	if err := playSteps(ctx, handwritten, out); err != nil {
		return err
	}
	fmt.Fprintf(out, "All went well, in %s.\n", ms(time.Since(start)))
	return nil
}

func playSteps(ctx context.Context, handwritten bool, out io.Writer) (err error) {
	say := func(format string, args ...any) { fmt.Fprintf(out, "   "+format+"\n", args...) }
	fmt.Fprintln(out, "0. real servers on loopback addresses")
	s, err := newStory(ctx, handwritten, say)
	if err != nil {
		return interrupted(ctx, err)
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	for i, step := range steps(handwritten) {
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

func newStory(ctx context.Context, handwritten bool, say func(string, ...any)) (*story, error) {
	start := time.Now()
	w, err := newWorld(ctx, handwritten)
	if err != nil {
		return nil, err
	}
	say("Consul: servers consul-1, consul-2, consul-3 and the gateway's own agent at %s", w.agent.HTTPAddr)
	say("nginx at %s and ctmpl with %s beside it, all up within %s", w.addr, w.template(), ms(time.Since(start)))
	return &story{world: w, say: say, fronts: map[string]*container{}}, nil
}

// run plays one step. It fails when ctmpl ends, or a request of the traffic has
// failed, though the step itself has not noticed.
func (s *story) run(ctx context.Context, step step) error {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	ctx, release := s.ctmpl.bound(ctx)
	defer release()
	err := step.play(s, ctx)
	if err == nil && s.traffic != nil {
		err = s.traffic.err()
	}
	if err != nil {
		return fmt.Errorf("%w%s", err, s.logs())
	}
	return nil
}

// stop ends everything that the story has started.
func (s *story) stop() error {
	if s.traffic != nil {
		s.traffic.stop()
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
