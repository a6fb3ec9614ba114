package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"
)

// soakPlan is how long what happens.
type soakPlan struct {
	shape
	rate        float64 // changes per second
	length      time.Duration
	comparisons int
	allowed     int // connections at once
}

// soak is one run, with what came of it.
type soak struct {
	soakPlan
	*side
	changes *upheaval
	took    []time.Duration // by comparison: end of the changes to the last file
	lost    int             // comparisons in which a file was not right in time
}

// run changes the catalog, and compares now and then and at the end.
func (p soakPlan) run(ctx context.Context, dir string, programs programs) (err error) {
	side, err := startSide(ctx, "ctmpl", programs.own, dir, "", p.shape)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, side.agent.Stop()) }()
	s := &soak{soakPlan: p, side: side, changes: newUpheaval(side.registry())}
	stop := sync.OnceFunc(side.count(ctx, 50*time.Millisecond))
	defer stop()
	run, err := s.launch(ctx)
	if err != nil {
		return err
	}
	defer run.stop()
	if err := s.play(run); err != nil {
		return run.explain(err)
	}
	side.weigh(run.pid)
	run.stop()
	stop()
	s.table().print(os.Stdout)
	return s.verdict()
}

// launch starts the program with all files, and returns when they are right.
func (s *soak) launch(ctx context.Context) (*program, error) {
	config := ""
	for name, text := range soakTemplates {
		source, dest := filepath.Join(s.dir, name+".tmpl"), filepath.Join(s.dir, name+".txt")
		if err := os.WriteFile(source, []byte(text), 0o644); err != nil {
			return nil, err
		}
		config += fmt.Sprintf("template {\n  source = %q\n  destination = %q\n}\n", source, dest)
	}
	path := filepath.Join(s.dir, "soak.hcl")
	if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
		return nil, err
	}
	want, err := s.expected(ctx)
	if err != nil {
		return nil, err
	}
	p, err := startProgram(ctx, s.dir, s.path, append([]string{"-config", path}, s.reach...)...)
	if err != nil {
		return nil, err
	}
	right, err := s.await(p.lives, want, deadline)
	if err != nil {
		return nil, p.explain(fmt.Errorf("the first files: %w", err))
	}
	s.cold = append(s.cold, right.Sub(p.started))
	return p, nil
}

// play makes all changes. The moments of the comparisons are random.
func (s *soak) play(run *program) error {
	ctx := run.lives
	moments := make([]time.Duration, s.comparisons, s.comparisons+1)
	for i := range moments {
		moments[i] = time.Duration(s.changes.random.Int64N(int64(s.length)))
	}
	slices.Sort(moments)
	past := time.Duration(0)
	for _, moment := range append(moments, s.length) {
		part, spent := moment-past, meter(run.pid, s.agent.PID()) // without the comparison, which is work for Consul
		if err := evenly(ctx, int(part.Seconds()*s.rate), part, s.changes.next); err != nil {
			return err
		}
		s.busy.add(spent())
		past = moment
		if err := s.compare(ctx); err != nil {
			return err
		}
		progress("soak: %s of %s, %d changes, files right %s ms after the last, lost %d",
			past.Round(time.Second), s.length, s.changes.made, whole(s.took[len(s.took)-1]), s.lost)
	}
	return nil
}

// compare looks whether the files become what the catalog is now.
func (s *soak) compare(ctx context.Context) error {
	const patience = 15 * time.Second
	end := time.Now()
	want, err := s.expected(ctx)
	if err != nil {
		return err
	}
	right, err := s.await(ctx, want, patience)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		s.lost++
		progress("soak: LOST: %v", err)
	}
	s.took = append(s.took, max(0, right.Sub(end)))
	return nil
}

// await returns when all files are as wanted, with the time at which the last was
// written.
func (s *soak) await(ctx context.Context, want map[string][]byte, patience time.Duration) (right time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		if right, err = s.written(want); err == nil {
			return right, nil
		}
		if pause(ctx, 100*time.Millisecond); ctx.Err() != nil {
			return time.Now(), errors.Join(err, context.Cause(ctx))
		}
	}
}

// written compares the files, and gives the time of the last one.
func (s *soak) written(want map[string][]byte) (last time.Time, err error) {
	for name, text := range want {
		path := filepath.Join(s.dir, name+".txt")
		info, err := os.Stat(path)
		if err != nil {
			return last, err
		}
		have, err := os.ReadFile(path)
		if err != nil {
			return last, err
		}
		if err := sameText(text, have); err != nil {
			return last, fmt.Errorf("%s: %w", name, err)
		}
		if info.ModTime().After(last) {
			last = info.ModTime()
		}
	}
	return last, nil
}

// table has one column: there is nothing beside it.
func (s *soak) table() *table {
	t := &table{
		what:    fmt.Sprintf("%d services × %d instances on %d nodes, %s with %g changes/s", s.services, s.instances, s.nodes, s.length, s.rate),
		columns: []string{"", "ctmpl, agent with default limits"},
	}
	t.row("changes", fmt.Sprintf("%d: %s", s.changes.made, s.changes.kinds()))
	t.row("comparisons with the catalog, bytes that differed in", fmt.Sprintf("%d, %d", len(s.took), s.lost))
	t.row("last change → files right, ms, p50 / longest", whole(quantile(s.took, 0.5))+" / "+whole(quantile(s.took, 1)))
	t.row("start → first files, s", seconds(s.cold))
	t.row("connections, the most", strconv.Itoa(s.connections))
	t.row("refused requests (429)", s.refusedText())
	t.row("its CPU per change, ms; cores", fmt.Sprintf("%.1f; %.2f", perChange(s.busy.program, s.changes.made), cores(s.busy.program, s.busy.in)))
	t.row("Consul's CPU per change, ms; cores", fmt.Sprintf("%.1f; %.2f", perChange(s.busy.consul, s.changes.made), cores(s.busy.consul, s.busy.in)))
	t.row("memory, the most; at the end, MB", fmt.Sprintf("%.0f; %.0f", megabytes(s.peak), megabytes(s.resident)))
	return t
}

// verdict is an error when something was not as it has to be.
func (s *soak) verdict() error {
	errs := []error{s.uncounted}
	if s.lost > 0 {
		errs = append(errs, fmt.Errorf("%d of %d comparisons found a file that was not right in time", s.lost, len(s.took)))
	}
	if s.connections > s.allowed {
		errs = append(errs, fmt.Errorf("%d connections were open at once, allowed are %d", s.connections, s.allowed))
	}
	if s.refused > 0 {
		errs = append(errs, fmt.Errorf("%d requests were refused", s.refused))
	}
	return errors.Join(errs...)
}
