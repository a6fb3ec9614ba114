package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
)

func httpService(name string, n int, tags ...string) service {
	return service{name: name, container: fmt.Sprintf("%s-%d", name, n), inner: 8080, tags: tags}
}

// nothing registers httpbackend, which has no tag and so stays internal.
func (s *story) nothing(ctx context.Context) error {
	for n := 1; n <= 2; n++ {
		svc := httpService("httpbackend", n)
		c, err := startContainer(s.node(n+1), svc, backend(svc.container))
		if err != nil {
			return err
		}
		s.cleanup(c.kill)
		if err := c.register(ctx); err != nil {
			return err
		}
	}
	find := byAPI(s.agent)
	if err := servers.Wait(ctx, func() error { _, err := find(ctx, "httpbackend"); return err }); err != nil {
		return err
	}
	if _, err := servers.Get(ctx, site(s.addr, "/")); err == nil || !strings.Contains(err.Error(), "404") {
		return fmt.Errorf("nginx should answer 404 for %s, and the error is %v", siteName, err)
	}
	s.say("two httpbackend are registered without a tag: %s gives 404", siteName)
	return s.wantExposed()
}

// wantExposed checks that nginx's file has upstreams for these services and for no other,
// such as one without a tag.
func (s *story) wantExposed(names ...string) error {
	exposed, err := s.exposed()
	if err == nil && !slices.Equal(exposed, names) {
		err = fmt.Errorf("nginx's file has upstreams for %q, and should have them for %q", exposed, names)
	}
	return err
}

// appear lets the instances come one after the other.
func (s *story) appear(ctx context.Context) error {
	for n := 1; n <= 3; n++ {
		before := s.nginx.Workers()
		if err := s.addFront(ctx, n, s.node(n)); err != nil {
			return err
		}
		if err := s.replaced(ctx, before); err != nil {
			return err
		}
		if s.traffic == nil {
			s.traffic = startTraffic(s.addr)
		}
	}
	if err := s.wantExposed("httpfront"); err != nil {
		return err
	}
	return s.wantSpread(ctx, 300)
}

// addFront starts and registers an instance of httpfront, and waits until nginx
// sends requests to it.
func (s *story) addFront(ctx context.Context, n int, node *servers.Consul) error {
	start := time.Now()
	c, err := s.startFront(ctx, n, node)
	if err != nil {
		return err
	}
	if err := s.inFile(ctx, c.addr, true); err != nil {
		return err
	}
	written := time.Since(start)
	if err := s.answers(ctx, c.container); err != nil {
		return err
	}
	s.say("%s on %s: in nginx's file %s after its registration, serving after %s", c.container, node.Node, ms(written), ms(time.Since(start)))
	s.fronts[c.container] = c
	return nil
}

// startFront starts and registers an instance of httpfront.
func (s *story) startFront(ctx context.Context, n int, node *servers.Consul) (*container, error) {
	svc := httpService("httpfront", n, "http")
	c, err := startContainer(node, svc, front(svc.container, node, &s.fallbacks))
	if err != nil {
		return nil, err
	}
	s.cleanup(c.kill)
	return c, c.register(ctx)
}

// wantSpread checks that the next n requests reach all instances about alike, and
// nobody else.
func (s *story) wantSpread(ctx context.Context, n int) error {
	if _, err := s.traffic.take(ctx, 0); err != nil {
		return err
	}
	result, err := s.traffic.take(ctx, n)
	if err != nil {
		return err
	}
	got := counts(result, 0)
	s.say("%d requests, 0 failed: %s", result.Requests, list(got))
	if len(got) != len(s.fronts) {
		return fmt.Errorf("%d instances answer, and there should be %d", len(got), len(s.fronts))
	}
	for name := range s.fronts {
		if got[name]*len(s.fronts) < result.Requests/2 {
			return fmt.Errorf("%s gets less than half of its share", name)
		}
	}
	return nil
}

// internal shows that the requests went on to both httpbackend.
func (s *story) internal(ctx context.Context) error {
	dns, err := s.traffic.take(ctx, 100)
	if err != nil {
		return err
	}
	api := servers.LoadResult{Backends: map[string]int{}}
	for ; api.Requests < 50; api.Requests++ {
		answer, err := servers.Get(ctx, site(s.addr, "/api"))
		if err != nil {
			return err
		}
		api.Backends[answer]++
	}
	for how, got := range map[string]servers.LoadResult{"DNS": dns, "the API": api} {
		s.say("found by %s, %d calls: %s", how, got.Requests, list(counts(got, 1)))
		if n := len(counts(got, 1)); n != 2 {
			return fmt.Errorf("%d httpbackend were found by %s, not 2", n, how)
		}
	}
	return nil
}
