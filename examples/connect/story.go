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
	{"TCP: what is typed into a local port comes back from the mesh", (*story).tcp},
	{"HTTP: service1 calls service2", (*story).http},
	{"least_conn", (*story).leastConn},
	{"requests are shared by two versions", (*story).versions},
	{"a sidecar is killed: the next instance, and the dead one is left alone", (*story).retries},
	{"a sidecar and a service hang: timeouts", (*story).timeouts},
	{"somebody with a certificate of his own says he is socat", (*story).stranger},
	{"another service of the mesh says it is socat", (*story).other},
	{"an intention denies web to call socat", (*story).denied},
	{"the root and all certificates are rotated under load", (*story).rotation},
}

// stepTime bounds one step.
const stepTime = 90 * time.Second

// story is what the steps share.
type story struct {
	*world
	say func(format string, args ...any) // prints one line of a step

	echos    []*servers.TCPEcho     // of socat
	members  map[string]*member     // by ID
	backends []*servers.HTTPBackend // of service2
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
	say("Consul at %s, nginx, the forwarder and ctmpl, all up within %s", w.consul.HTTPAddr, ms(time.Since(start)))
	return &story{world: w, say: say, members: map[string]*member{}}, nil
}

// run plays one step. It fails when ctmpl or the forwarder ends.
func (s *story) run(ctx context.Context, step step) error {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	for _, c := range []*child{s.ctmpl, s.forwarder} {
		bound, release := c.bound(ctx)
		defer release()
		ctx = bound
	}
	if err := step.play(s, ctx); err != nil {
		return fmt.Errorf("%w%s", err, s.logs())
	}
	return nil
}

// ms prints a duration as the steps do.
func ms(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
