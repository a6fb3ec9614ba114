package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// retries kills the sidecars of one instance of each service. Their checks do not notice,
// so that all depends on nginx.
func (s *story) retries(ctx context.Context) error {
	start := time.Now()
	for _, id := range []string{"socat-2", "service2-2"} {
		s.members[id].sidecar.kill()
	}
	result, err := load(ctx, s.service2, 500)
	if err != nil {
		return err
	}
	tried := s.attempts("service2-2")
	s.say("HTTP: %d requests, 0 failed; the dead instance was tried %d times", result.Requests, tried)
	for _, addr := range []string{s.socat, s.verified} {
		for range 100 {
			if err := try(ctx, addr); err != nil {
				return err
			}
		}
	}
	direct, forwarded := s.attempts("socat-2"), count(s.forwarder.said(), "msg=refused service=socat address="+s.members["socat-2"].addr)
	s.say("TCP: 100 connections each way, 0 failed; the dead instance was tried %d times directly and %d through the forwarder", direct, forwarded)
	if least, most := min(tried, direct, forwarded), max(tried, direct, forwarded); least == 0 || most > 3+int(time.Since(start)/(5*time.Second)) {
		return errors.New("it should be tried once in 5 s")
	}
	return s.recover(ctx)
}

// attempts gives how often nginx itself got nothing from the sidecar, over a connection that
// it made or one that it had kept.
func (s *story) attempts(id string) (n int) {
	for line := range strings.Lines(s.nginx.Log()) {
		if strings.Contains(line, "[error]") && strings.Contains(line, s.members[id].addr) {
			n++
		}
	}
	return n
}

// recover starts the sidecars again: they are tried when fail_timeout is over.
func (s *story) recover(ctx context.Context) error {
	start := time.Now()
	for _, id := range []string{"socat-2", "service2-2"} {
		if err := s.startSidecar(ctx, s.members[id]); err != nil {
			return err
		}
	}
	for _, addr := range []string{s.socat, s.verified} {
		if err := s.reached(ctx, s.echos[1], addr); err != nil {
			return err
		}
	}
	if err := s.answers(ctx, s.backends[1]); err != nil {
		return err
	}
	s.say("the sidecars are back: all are used again %s later", ms(time.Since(start)))
	return nil
}

// timeouts stops a sidecar, which goes on to accept connections, and then has a service
// take its time.
func (s *story) timeouts(ctx context.Context) error {
	m := s.members["socat-1"]
	if err := m.sidecar.freeze(); err != nil {
		return err
	}
	for _, addr := range []string{s.socat, s.verified} {
		slowest := time.Duration(0)
		for range 20 {
			start := time.Now()
			if err := try(ctx, addr); err != nil {
				return errors.Join(err, m.sidecar.thaw())
			}
			slowest = max(slowest, time.Since(start))
		}
		s.say("a sidecar stands still: of 20 connections to %s none fails, the slowest takes %s (connect_timeout = 1s)", addr, ms(slowest))
		if slowest > 10*time.Second {
			return errors.Join(errors.New("that is too slow"), m.sidecar.thaw())
		}
	}
	if err := m.sidecar.thaw(); err != nil {
		return err
	}
	s.backends[0].SetDelay(time.Minute)
	defer s.backends[0].SetDelay(0)
	l := servers.StartLoad(servers.LoadOptions{Addr: s.service2})
	defer l.Stop()
	err := servers.Wait(ctx, func() error {
		if r := l.Result(); r.Requests < 300 || r.Slowest < time.Second {
			return fmt.Errorf("no request has met the slow service: %s", r)
		}
		return nil
	})
	result := l.Stop()
	if err := errors.Join(err, result.Err()); err != nil {
		return err
	}
	s.say("a service does not answer: %d requests, 0 failed, the slowest took %s (read_timeout = 2s)", result.Requests, ms(result.Slowest))
	return nil
}
