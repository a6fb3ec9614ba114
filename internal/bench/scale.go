package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// scalePlan is what to measure of both programs at one number of services.
type scalePlan struct {
	shape
	changes int
	rate    float64 // changes per second
	rounds  int
	calm    time.Duration // after the last change, until nothing is looked for any more
	idle    time.Duration
	full    bool // more than single changes of random services
}

// scales runs one plan after the other, and prints one table of all.
func scales(ctx context.Context, dir string, programs programs, plan scalePlan, services []int) error {
	t := scaleTable(plan, services)
	for _, n := range services {
		plan.services = n
		result, err := plan.run(ctx, dir, programs)
		if err != nil {
			return fmt.Errorf("%d services: %w", n, err)
		}
		t.add(result)
	}
	t.print(os.Stdout)
	return nil
}

// compared is what one scale gave.
type compared struct {
	peer, own *side
	floor     floor
	limited   string // what the peer does on an agent with default limits
}

// raised is a limit of the agent that lets the peer have a connection for each query.
const raised = "limits { http_max_conns_per_client = 15000 }"

// run gives each program an agent of its own, with the same in it. The programs take
// turns, so that none runs while the other is measured.
func (p scalePlan) run(ctx context.Context, dir string, programs programs) (c compared, err error) {
	progress("%d services: two agents are seeded", p.services)
	if c.own, err = startSide(ctx, "ctmpl", programs.own, dir, "", p.shape); err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, c.own.agent.Stop()) }()
	if c.peer, err = startSide(ctx, peerName, programs.peer, dir, raised, p.shape); err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, c.peer.agent.Stop()) }()
	if p.full {
		if c.floor, err = p.floor(ctx, c.own.registry(), dir); err != nil {
			return c, fmt.Errorf("a bare blocking query: %w", err)
		}
		c.onDefaults(ctx)
	}
	for range p.rounds {
		for _, s := range []*side{c.peer, c.own} {
			if err := p.round(ctx, s); err != nil {
				return c, fmt.Errorf("%s: %w", s.name, err)
			}
		}
	}
	return c, nil
}

// round is one turn of a program.
func (p scalePlan) round(ctx context.Context, s *side) (err error) {
	defer s.count(ctx, 100*time.Millisecond)()
	if err := p.latency(ctx, s); err != nil || !p.full {
		return err
	}
	if s.commands, err = p.burst(ctx, s, ""); err != nil {
		return err
	}
	s.commandsWait, err = p.burst(ctx, s, `wait = "250ms:1s"`)
	return err
}

// settle is the time that a program gets after its first file, to ask all anew.
const settle = 2 * time.Second

// latency measures single changes, and what is used for them.
func (p scalePlan) latency(ctx context.Context, s *side) error {
	run, err := s.start(ctx, "", "")
	if err != nil {
		return err
	}
	defer run.stop()
	pause(ctx, settle)
	if err := p.single(run.lives, s, run); err != nil {
		return run.explain(err)
	}
	progress("%d lines: %s: first file %s s, PUT → file %s ms", s.content.lines(), s.name, seconds(s.cold), twoQuantiles(s.delays))
	return nil
}

func (p scalePlan) single(ctx context.Context, s *side, run *running) error {
	defer s.weigh(run.pid)
	all, spent := time.Duration(float64(p.changes)/p.rate*float64(time.Second)), meter(run.pid, s.agent.PID())
	delays, err := s.change(ctx, run.file, p.changes, 0, all)
	if err != nil {
		return err
	}
	s.delays = append(s.delays, delays...)
	s.changes += p.changes
	s.busy.add(spent())
	if !p.full {
		return nil
	}
	if delays, err = s.change(ctx, run.file, p.changes, recentServices, all); err != nil {
		return err
	}
	s.recent = append(s.recent, delays...)
	pause(ctx, p.calm)
	spent = meter(run.pid, s.agent.PID())
	pause(ctx, p.idle)
	s.idle.add(spent())
	return nil
}

// burst makes many changes at once, and gives how many commands were run for them.
func (p scalePlan) burst(ctx context.Context, s *side, wait string) (commands int, err error) {
	const burst, quiet = 100, 1500 * time.Millisecond
	counted, err := os.CreateTemp(s.dir, "commands-")
	if err != nil {
		return 0, err
	}
	defer counted.Close()
	run, err := s.start(ctx, wait, fmt.Sprintf(`command = "printf x >> %s"`, counted.Name()))
	if err != nil {
		return 0, err
	}
	defer run.stop()
	pause(ctx, settle)
	before := fileSize(counted)
	if _, err := s.change(run.lives, run.file, burst, 0, time.Second); err != nil {
		return 0, run.explain(err)
	}
	for size := before; ; size = fileSize(counted) { // until no command has been run for a while
		pause(ctx, quiet)
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if now := fileSize(counted); now == size {
			return int(now - before), nil
		}
	}
}

func fileSize(f *os.File) int64 {
	info, err := f.Stat()
	if err != nil {
		return 0
	}
	return info.Size()
}

// progress tells what is under way; the results are printed at the end.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "bench: %s: %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}
