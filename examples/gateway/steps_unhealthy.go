package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// sick starts and registers a service whose only instance fails its check.
func (s *story) sick(ctx context.Context) (*container, error) {
	svc := httpService("httpsick", 1, "http")
	c, err := startContainer(s.agent, svc, backend(svc.container))
	if err != nil {
		return nil, err
	}
	s.cleanup(c.kill)
	return c, c.service.register(ctx, s.agent, failedCheck())
}

// leave takes what sick has registered out of Consul, and waits until nginx's file has
// it no longer.
func (s *story) leave(ctx context.Context, c *container) error {
	if err := c.deregister(ctx); err != nil {
		return err
	}
	return servers.Wait(ctx, func() error {
		exposed, err := s.exposed()
		if err == nil && slices.Contains(exposed, c.name) {
			err = fmt.Errorf("nginx's file still has %s", c.name)
		}
		return err
	})
}

// unhealthyAlone shows what the shipped template does: the service answers 502 until an
// instance is well, and all else goes on.
func (s *story) unhealthyAlone(ctx context.Context) error {
	c, err := s.sick(ctx)
	if err != nil {
		return err
	}
	if err := s.sickAnswers(ctx, "502"); err != nil {
		return err
	}
	s.say("httpsick fails its check: httpsick.example.com answers 502")
	if err := s.addFront(ctx, 6, s.node(1)); err != nil {
		return err
	}
	if err := s.wantSpread(ctx, 300); err != nil { // a worker of before may take some of the first
		return err
	}
	start := time.Now()
	if err := c.pass(ctx, s.agent); err != nil {
		return err
	}
	if err := s.sickAnswers(ctx, c.container); err != nil {
		return err
	}
	s.say("its check passes: httpsick.example.com serves after %s", ms(time.Since(start)))
	return s.leave(ctx, c)
}

// sickAnswers waits until httpsick is answered by a text, or an error, with want in it.
func (s *story) sickAnswers(ctx context.Context, want string) error {
	return servers.Wait(ctx, func() error {
		answer, err := servers.Get(ctx, servers.LoadOptions{Addr: s.addr, Host: "httpsick.example.com"})
		if got := fmt.Sprint(answer, err); !strings.Contains(got, want) {
			return fmt.Errorf("httpsick should answer with %s, and gives %s", want, got)
		}
		return nil
	})
}

// unhealthyHoldsUp shows what the hand-written template does: it makes an empty upstream
// of the service, which nginx refuses. nginx stays with what it has, ctmpl goes on
// (consul-template would end), and what else changes has to wait.
func (s *story) unhealthyHoldsUp(ctx context.Context) error {
	const refusal = "no servers are inside upstream"
	seen := strings.Count(s.ctmpl.said(), refusal)
	c, err := s.sick(ctx)
	if err != nil {
		return err
	}
	err = servers.Wait(ctx, func() error {
		if strings.Count(s.ctmpl.said(), refusal) == seen {
			return errors.New("nginx has not refused the empty upstream yet")
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.say("httpsick fails its check: nginx refuses its empty upstream and keeps the last configuration")
	return s.lateFront(ctx, c)
}

// lateFront adds an instance of httpfront, which nginx does not learn of before the sick
// service is gone.
func (s *story) lateFront(ctx context.Context, sick *container) error {
	start := time.Now()
	late, err := s.startFront(ctx, 6, s.node(1))
	if err != nil {
		return err
	}
	if err := s.inFile(ctx, late.addr, true); err != nil {
		return err
	}
	if err := s.wantSpread(ctx, 100); err != nil { // among those of before
		return err
	}
	if err := s.leave(ctx, sick); err != nil {
		return err
	}
	if err := s.answers(ctx, late.container); err != nil {
		return err
	}
	s.fronts[late.container] = late
	s.say("%s, registered meanwhile, serves only when httpsick is gone, %s after its registration", late.container, ms(time.Since(start)))
	return nil
}
