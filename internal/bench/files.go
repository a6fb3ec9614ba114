package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// filesPlan is what to measure of PUT → file with one change after the other.
type filesPlan struct {
	shape
	changes, rounds int
}

func (p filesPlan) run(ctx context.Context, dir string, programs programs) (err error) {
	own, err := startSide(ctx, "ctmpl", programs.own, dir, "", p.shape)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, own.agent.Stop()) }()
	peer := *own
	peer.name, peer.path = peerName, programs.peer
	for range p.rounds {
		for _, s := range []*side{&peer, own} {
			if err := p.round(ctx, s); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
	}
	p.table(&peer, own).print(os.Stdout)
	return nil
}

// round makes the changes of one turn, one after the other.
func (p filesPlan) round(ctx context.Context, s *side) error {
	defer s.count(ctx, 100*time.Millisecond)()
	run, err := s.start(ctx, "", "")
	if err != nil {
		return err
	}
	defer run.stop()
	defer s.weigh(run.pid)
	spent := meter(run.pid, s.agent.PID())
	for range p.changes {
		delay, err := s.change(run.lives, run.file, 1, 0, 0)
		if err != nil {
			return run.explain(err)
		}
		s.delays = append(s.delays, delay...)
		// Consul-template asks again after 100 to 120 ms at the earliest; a change in
		// that time would measure its pause rather than its work.
		pause(ctx, 130*time.Millisecond)
	}
	s.changes += p.changes
	s.busy.add(spent())
	return nil
}

func (p filesPlan) table(peer, own *side) *table {
	t := &table{
		what:    fmt.Sprintf("%d services × %d instances, %d changes each in %d rounds", p.services, p.instances, p.changes*p.rounds, p.rounds),
		columns: []string{"", "start → first file, ms", "PUT → file, ms, p50", "p90", "p99", "CPU per change, ms", "connections", "memory, MB"},
	}
	for _, s := range []*side{peer, own} {
		t.row(s.name, ms(quantile(s.cold, 0.5)), ms(quantile(s.delays, 0.5)), ms(quantile(s.delays, 0.9)), ms(quantile(s.delays, 0.99)),
			fmt.Sprintf("%.1f", perChange(s.busy.program, s.changes)), fmt.Sprint(s.connections), fmt.Sprintf("%.0f", megabytes(s.resident)))
	}
	part := func(of func(*side) []time.Duration, q float64) string {
		return fmt.Sprintf("%.2f", ratio(quantile(of(own), q), quantile(of(peer), q)))
	}
	cold, delays := func(s *side) []time.Duration { return s.cold }, func(s *side) []time.Duration { return s.delays }
	t.row("ratio", part(cold, 0.5), part(delays, 0.5), part(delays, 0.9), part(delays, 0.99),
		fmt.Sprintf("%.2f", ratio(own.busy.program, peer.busy.program)), "", fmt.Sprintf("%.2f", megabytes(own.resident)/megabytes(peer.resident)))
	return t
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d)/float64(time.Millisecond)) }
