package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
)

const (
	slack  = 15 * time.Second // of a busy machine, beyond what a step takes
	others = 3                // reloads for what may happen on one meanwhile, such as a worker that is stale for a moment
)

// appear starts the workers together: they share the requests evenly.
func (s *story) appear(ctx context.Context) error {
	before, start := s.nginx.Workers(), time.Now()
	for n := 2; n <= 4; n++ {
		k, err := s.startWorker(ctx, n)
		if err != nil {
			return err
		}
		s.workers = append(s.workers, k)
	}
	for _, k := range s.workers {
		if err := s.follow(ctx, k.id, 10, before); err != nil {
			return err
		}
	}
	s.say("all three are in nginx %s after their start", ms(time.Since(start)))
	s.traffic = servers.StartLoad(s.site())
	return s.wantShare(ctx)
}

// busy gives one of them work that nginx knows nothing of.
func (s *story) busy(ctx context.Context) error {
	k := s.workers[2]
	index, err := s.updated(ctx, k.key, 0)
	if err != nil {
		return err
	}
	before, start := s.nginx.Workers(), time.Now()
	if err := k.setLoad(80); err != nil {
		return err
	}
	if _, err := s.updated(ctx, k.key, index); err != nil {
		return err
	}
	written := time.Now()
	if err := s.follow(ctx, k.id, 2, before); err != nil {
		return err
	}
	s.say("%s has a load of 80: in its entry %s later, and another %s until all of nginx knows it", k.id, ms(written.Sub(start)), ms(time.Since(written)))
	if took := time.Since(written); took > reloadTime+slack {
		return fmt.Errorf("from the entry to nginx took %s", took)
	}
	return s.wantShare(ctx)
}

// tremble lets a load go up and down by one on the edge between two weights, which a
// worker keeps to itself. A stranger, who knows nothing of that, has other bounds.
func (s *story) tremble(ctx context.Context) error {
	const updates = 6
	k, reloads := s.workers[2], s.reloads()
	var index uint64
	for n := range updates {
		if err := k.setLoad(79 + n%2*2); err != nil {
			return err
		}
		var err error
		if index, err = s.updated(ctx, k.key, index); err != nil {
			return err
		}
	}
	s.say("%s has a load of 79 and 81 in turn, over %d updates: %d reloads", k.id, updates, s.reloads()-reloads)
	if n := s.reloads() - reloads; n > 0 {
		return fmt.Errorf("nginx was reloaded %d times for loads that hardly change", n)
	}
	return s.writeMuch(ctx)
}

// writeMuch has a stranger write much more often than nginx is to be reloaded.
func (s *story) writeMuch(ctx context.Context) (err error) {
	before := s.nginx.Workers()
	if s.stranger, err = s.startStranger(ctx); err != nil {
		return err
	}
	if err := s.follow(ctx, s.stranger.ID, 5, before); err != nil { // there is no entry yet
		return err
	}
	const writes = 30
	reloads, start := s.reloads(), time.Now()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for n := range writes {
		if err := s.stranger.write(ctx, told(n*37%100, time.Now())); err != nil {
			return err
		}
		<-ticker.C
	}
	took, times := time.Since(start), s.reloads()-reloads
	s.say("%s, of somebody else, writes %d loads from 0 to 99 within %s: %d reloads", s.stranger.ID, writes, ms(took), times)
	if most := 2 + int(took/reloadTime) + others; times > most || times == 0 {
		return fmt.Errorf("nginx was reloaded %d times within %s, want 1 to %d", times, took, most)
	}
	return nil
}

// absurd has the stranger write what no worker should. It gets the weight of one that has
// said nothing, and all others keep theirs.
func (s *story) absurd(ctx context.Context) error {
	now := time.Now()
	entries := []string{
		"busy",
		told(-20, now),
		told(0, now.AddDate(1, 0, 0)),
		fmt.Sprintf(`{"load":"0; } server { listen 1","ts":%d}`, now.Unix()),
	}
	for _, text := range entries {
		if err := s.stranger.write(ctx, told(95, time.Now())); err != nil {
			return err
		}
		if err := s.inFile(ctx, s.stranger.ID, 1); err != nil {
			return err
		}
		before := s.nginx.Workers()
		if err := s.stranger.write(ctx, text); err != nil {
			return err
		}
		if err := s.follow(ctx, s.stranger.ID, 5, before); err != nil {
			return fmt.Errorf("after %s: %w", text, err)
		}
		s.say("%s writes %s: weight 5, as without an entry", s.stranger.ID, text)
	}
	weights, err := s.weights()
	if err == nil && (weights[s.workers[0].id] != 10 || weights[s.workers[1].id] != 10 || weights[s.workers[2].id] != 2) {
		err = fmt.Errorf("others have other weights now: %v", weights)
	}
	if said := s.ctmpl.said(); err == nil && strings.Contains(said, "ERR") {
		err = errors.New("ctmpl has told of an error")
	}
	return err
}

// stale has the stranger say once that it is idle, and then nothing more.
func (s *story) stale(ctx context.Context) error {
	before, start := s.nginx.Workers(), time.Now()
	if err := s.stranger.write(ctx, told(0, start)); err != nil {
		return err
	}
	if err := s.follow(ctx, s.stranger.ID, 10, before); err != nil {
		return err
	}
	before, known := s.nginx.Workers(), time.Since(start)
	if err := s.follow(ctx, s.stranger.ID, 1, before); err != nil {
		return err
	}
	took := time.Since(start)
	s.say("%s says once that it is idle: weight 10 after %s, and 1 after %s, with an update of another worker", s.stranger.ID, ms(known), ms(took))
	if most := staleTime + 2*updateTime + reloadTime + slack; took > most || took < staleTime-time.Second {
		return fmt.Errorf("it took %s until it counted as stale, want %s to %s", took, staleTime, most)
	}
	if err := s.wantShare(ctx); err != nil {
		return err
	}
	before = s.nginx.Workers()
	if err := s.stranger.leave(ctx); err != nil {
		return err
	}
	return s.follow(ctx, s.stranger.ID, 0, before)
}
