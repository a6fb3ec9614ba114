package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// stranger has somebody answer whose certificate nobody of the mesh has signed, although
// it says the same as that of socat.
func (s *story) stranger(ctx context.Context) error {
	cert, err := s.leaf(ctx, "socat")
	if err == nil {
		cert, err = selfSigned(cert)
	}
	if err != nil {
		return err
	}
	i, err := s.pretend(ctx, "stranger", cert)
	if err != nil {
		return err
	}
	for _, way := range s.ways() {
		if err := s.refused(ctx, i, way); err != nil {
			return err
		}
	}
	if n := count(s.nginx.Log(), "certificate verify failed"); n == 0 {
		return errors.New("nginx does not say that it has refused the certificate")
	}
	return s.gone(ctx, i)
}

// way is how web comes to socat.
type way struct{ name, addr string }

func (s *story) ways() []way {
	return []way{{"directly", s.socat}, {"through the forwarder", s.verified}}
}

// refused wants the impostor to be asked, and to get nothing: somebody else answers.
func (s *story) refused(ctx context.Context, i *impostor, w way) error {
	asked, believed := i.asked.Load(), i.believed.Load()
	err := servers.Wait(ctx, func() error {
		if err := try(ctx, w.addr); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		if i.asked.Load() == asked {
			return errors.New("nobody asks the " + i.id + " " + w.name)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for range 20 {
		if err := try(ctx, w.addr); err != nil {
			return err
		}
	}
	s.say("%s: asked %d times, then 20 connections, all to socat; the %s has got nothing", w.name, i.asked.Load()-asked, i.id)
	if i.believed.Load() > believed {
		return errors.New("somebody has believed the " + i.id)
	}
	return nil
}

// other has a member of the mesh answer for socat. nginx cannot tell, the forwarder can.
func (s *story) other(ctx context.Context) error {
	cert, err := s.leaf(ctx, "other")
	if err != nil {
		return err
	}
	i, err := s.pretend(ctx, "other", cert)
	if err != nil {
		return err
	}
	err = servers.Wait(ctx, func() error {
		if err := try(ctx, s.socat); !errors.Is(err, errStolen) {
			return fmt.Errorf("the other service should get a connection directly: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	n := 0
	for range 20 {
		if err := try(ctx, s.socat); errors.Is(err, errStolen) {
			n++
		} else if err != nil {
			return err
		}
	}
	s.say("directly: of 20 connections %d go to the other service: it is a member of the mesh", n)
	if err := s.refused(ctx, i, s.ways()[1]); err != nil {
		return err
	}
	if !strings.Contains(s.forwarder.said(), "/svc/other, not spiffe") {
		return errors.New("the forwarder does not say who it was")
	}
	return s.gone(ctx, i)
}

// denied takes the right to call socat from web, and gives it back.
func (s *story) denied(ctx context.Context) error {
	for _, w := range s.ways() { // nobody goes to the impostors any more
		if err := s.settled(ctx, w); err != nil {
			return err
		}
	}
	lives, err := s.open(ctx)
	if err != nil {
		return err
	}
	start := time.Now()
	if err := s.intend(ctx, "socat", api.IntentionActionDeny); err != nil {
		return err
	}
	for _, w := range s.ways() {
		if err := servers.Wait(ctx, func() error { return s.cut(ctx, w) }); err != nil {
			return err
		}
		s.say("%s: no new connection after %s", w.name, ms(time.Since(start)))
	}
	if !strings.Contains(s.forwarder.said(), `msg="ended by the instance" service=socat`) {
		return errors.New("the forwarder does not say that it was refused")
	}
	if err := lives.alive(); err != nil {
		return err
	}
	s.say("connections of before still echo: Consul's proxy asks for intentions when one is made")
	lives.end()
	start = time.Now()
	if err := s.intend(ctx, "socat", api.IntentionActionAllow); err != nil {
		return err
	}
	for _, w := range s.ways() {
		if err := s.settled(ctx, w); err != nil {
			return err
		}
	}
	s.say("allowed again: both ways are open after %s (fail_timeout = 5s)", ms(time.Since(start)))
	return s.deniedHTTP(ctx)
}

// deniedHTTP does so with service2, while nginx has connections that it keeps.
func (s *story) deniedHTTP(ctx context.Context) error {
	requests := servers.StartLoad(servers.LoadOptions{Addr: s.service2, Pause: 10 * time.Millisecond})
	defer requests.Stop()
	if err := servers.Wait(ctx, func() error {
		if r := requests.Result(); r.Requests < 200 {
			return fmt.Errorf("%d requests have been answered", r.Requests)
		}
		return nil
	}); err != nil {
		return err
	}
	start := time.Now()
	if err := s.intend(ctx, "service2", api.IntentionActionDeny); err != nil {
		return err
	}
	failed := 0 // without an answer between
	err := servers.Wait(ctx, func() error {
		now := requests.Take()
		if failed += now.Failures; len(now.Backends) > 0 {
			failed = 0
		}
		if failed < 20 {
			return fmt.Errorf("service2 still answers: %s", now)
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.say("HTTP: no answer any more after %s, when the connections that nginx keeps are used up (keepalive_time = 5s)", ms(time.Since(start)))
	if err := s.intend(ctx, "service2", api.IntentionActionAllow); err != nil {
		return err
	}
	for _, backend := range s.backends {
		if err := s.answers(ctx, backend); err != nil {
			return err
		}
	}
	return nil
}

// cut is nil when ten connections fail.
func (s *story) cut(ctx context.Context, w way) error {
	for range 10 {
		if err := try(ctx, w.addr); err == nil {
			return errors.New("socat answers " + w.name)
		}
	}
	return nil
}

// settled waits until 20 connections succeed.
func (s *story) settled(ctx context.Context, w way) error {
	return servers.Wait(ctx, func() error {
		for range 20 {
			if err := try(ctx, w.addr); err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
		}
		return nil
	})
}
