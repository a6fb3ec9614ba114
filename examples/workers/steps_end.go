package main

import (
	"context"
	"fmt"
	"time"
)

// leave is how a worker ends well: it leaves Consul, goes on to answer, and then stops.
func (s *story) leave(ctx context.Context) error {
	k := s.workers[0]
	before, start := s.nginx.Workers(), time.Now()
	k.child.terminate()
	if err := s.follow(ctx, k.id, 0, before); err != nil {
		return err
	}
	known := time.Since(start)
	select {
	case <-k.child.done:
	case <-ctx.Done():
		return fmt.Errorf("%s does not end after SIGTERM: %w", k.id, context.Cause(ctx))
	}
	s.say("%s gets SIGTERM: nginx has forgotten it after %s, and it ends after %s (%s)", k.id, ms(known), ms(time.Since(start)), k.child.cmd.ProcessState)
	if code := k.child.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("its exit code is %d, and it said: %s", code, k.child.said())
	}
	if pair, err := s.entry(ctx, k.key); err != nil || pair != nil {
		return fmt.Errorf("its entry should be gone, and there is %v (%v)", pair, err)
	}
	if err := s.wantShare(ctx); err != nil {
		return err
	}
	return s.again(ctx, k)
}

// again starts a worker that has ended on the same address, and waits until nginx uses it.
func (s *story) again(ctx context.Context, k *worker) error {
	before, start := s.nginx.Workers(), time.Now()
	if err := k.setLoad(0); err != nil {
		return err
	}
	if err := s.runWorker(ctx, k); err != nil {
		return err
	}
	if err := s.follow(ctx, k.id, 10, before); err != nil {
		return err
	}
	s.say("%s is started again: in nginx after %s", k.id, ms(time.Since(start)))
	return s.wantShare(ctx)
}

// kill is how a worker ends badly: until Consul's check finds out, nginx asks another one.
func (s *story) kill(ctx context.Context) error {
	k := s.workers[1]
	before, start, requests := s.nginx.Workers(), time.Now(), s.traffic.Result().Requests
	k.child.kill()
	if err := s.follow(ctx, k.id, 0, before); err != nil {
		return err
	}
	s.say("%s gets SIGKILL: the check takes it out after %s. %d requests meanwhile: nginx got no answer %d times, and asked another worker",
		k.id, ms(time.Since(start)), s.traffic.Result().Requests-requests, s.retried(k.addr))
	if s.retried(k.addr) == 0 {
		return fmt.Errorf("nginx has never asked %s after its end: nothing is shown", k.id)
	}
	if err := s.wantShare(ctx); err != nil {
		return err
	}
	return s.again(ctx, k)
}

// sum tells of all steps together.
func (s *story) sum(ctx context.Context) error {
	result, took := s.traffic.Stop(), time.Since(s.start)
	s.say("%d requests, %d failed, the slowest took %s; %d reloads in %s", result.Requests, result.Failures, ms(result.Slowest), s.reloads(), ms(took))
	return s.nginx.Check(ctx)
}
