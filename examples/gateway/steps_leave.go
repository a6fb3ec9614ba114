package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// stopOne is how a container ends well: it leaves Consul, nginx notices, and only
// then it stops.
func (s *story) stopOne(ctx context.Context) error {
	c := s.fronts["httpfront-2"]
	before, start := s.nginx.Workers(), time.Now()
	if err := c.deregister(ctx); err != nil {
		return err
	}
	if err := s.gone(ctx, c.addr, before); err != nil {
		return err
	}
	s.say("%s deregistered: no worker of nginx knows it after %s", c.container, ms(time.Since(start)))
	if err := c.stop(ctx); err != nil {
		return err
	}
	return s.wantWithout(ctx, c)
}

// wantWithout checks that requests have succeeded and go on to do so, and that none
// goes to c any more.
func (s *story) wantWithout(ctx context.Context, c *container) error {
	so, err := s.traffic.take(ctx, 0)
	if err != nil {
		return err
	}
	then, err := s.traffic.take(ctx, 200)
	if err != nil {
		return err
	}
	delete(s.fronts, c.container)
	s.say("%d requests until then and %d since, 0 failed: %s", so.Requests, then.Requests, list(counts(then, 0)))
	if n := counts(then, 0)[c.container]; n > 0 {
		return fmt.Errorf("%s has answered %d requests after its end", c.container, n)
	}
	return nil
}

// killOne is how a container ends badly: Consul learns of it from the next check
// that fails, and until then nginx asks another instance (proxy_next_upstream as it
// is by default) and leaves the dead one alone after max_fails.
func (s *story) killOne(ctx context.Context) error {
	if err := s.addFront(ctx, 4, s.node(2)); err != nil {
		return err
	}
	if _, err := s.traffic.take(ctx, 0); err != nil {
		return err
	}
	c := s.fronts["httpfront-3"]
	if err := c.awaitCheck(ctx); err != nil {
		return err
	}
	before, start := s.nginx.Workers(), time.Now()
	if err := c.kill(); err != nil {
		return err
	}
	if err := s.gone(ctx, c.addr, before); err != nil {
		return err
	}
	refused := strings.Count(s.nginx.Log(), `upstream: "http://`+c.addr)
	s.say("%s killed: nginx was refused %d times and asked another, Consul's check took it out after %s", c.container, refused, ms(time.Since(start)))
	if refused == 0 {
		return fmt.Errorf("nginx has never tried %s after its end: nothing is shown", c.container)
	}
	if err := s.wantWithout(ctx, c); err != nil {
		return err
	}
	if err := c.deregister(ctx); err != nil {
		return err
	}
	return s.addFront(ctx, 5, c.node)
}
