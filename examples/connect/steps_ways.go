package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// tcp has two instances of socat join the mesh, and reaches them in both ways.
func (s *story) tcp(ctx context.Context) error {
	for n := 1; n <= 2; n++ {
		echo, err := servers.StartTCPEcho()
		if err != nil {
			return err
		}
		s.cleanup(func() error { echo.Stop(); return nil })
		s.echos = append(s.echos, echo)
		if err := s.add(ctx, fmt.Sprintf("socat-%d", n), "socat", echo.Port, nil); err != nil {
			return err
		}
		passing := time.Now()
		for _, way := range []struct{ name, addr string }{{"directly", s.socat}, {"through the forwarder", s.verified}} {
			if err := s.reached(ctx, echo, way.addr); err != nil {
				return err
			}
			s.say("socat-%d echoes %s, at %s, %s after its sidecar is up", n, way.name, way.addr, ms(time.Since(passing)))
		}
	}
	return s.wantKeysClosed()
}

// add has an instance join.
func (s *story) add(ctx context.Context, id, service string, port int, meta map[string]string) error {
	m, err := s.join(ctx, id, service, port, meta)
	s.members[id] = m
	return err
}

// reached waits until an echo server gets a connection made to addr.
func (s *story) reached(ctx context.Context, echo *servers.TCPEcho, addr string) error {
	before := echo.Accepted()
	return servers.Wait(ctx, func() error {
		err := try(ctx, addr)
		if err == nil && echo.Accepted() == before {
			err = errors.New("the instance gets no connection")
		}
		return err
	})
}

// wantKeysClosed checks who may read the keys.
func (s *story) wantKeysClosed() error {
	for _, name := range []string{"tls/connect/web.pem", "mesh/web.pem"} {
		info, err := os.Stat(s.etc(name))
		if err != nil {
			return err
		}
		if info.Mode().Perm() != 0o600 {
			return fmt.Errorf("the key in %s has mode %v", name, info.Mode())
		}
	}
	s.say("the key of web is in files of mode 0600")
	return nil
}

// http has three instances of service2 join; this program is service1.
func (s *story) http(ctx context.Context) error {
	for _, version := range []string{"v1", "v1", "v2"} {
		id := fmt.Sprintf("service2-%d", len(s.backends)+1)
		backend, err := servers.StartHTTPBackend(id + "-" + version)
		if err != nil {
			return err
		}
		s.cleanup(func() error { backend.Kill(); return nil })
		s.backends = append(s.backends, backend)
		if err := s.add(ctx, id, "service2", backend.Port, map[string]string{"version": version}); err != nil {
			return err
		}
		if err := s.answers(ctx, backend); err != nil {
			return err
		}
	}
	result, err := load(ctx, s.service2, 300)
	if err != nil {
		return err
	}
	s.say("%d requests to %s, 0 failed: %s", result.Requests, s.service2, list(result.Backends))
	if len(result.Backends) != 3 {
		return errors.New("not all instances are used")
	}
	return nil
}

// answers waits until a backend answers through nginx.
func (s *story) answers(ctx context.Context, backend *servers.HTTPBackend) error {
	return servers.Wait(ctx, func() error {
		got, err := servers.Get(ctx, servers.LoadOptions{Addr: s.service2})
		if err == nil && got != backend.ID {
			err = fmt.Errorf("%s answers, not %s", got, backend.ID)
		}
		return err
	})
}

// load sends so many requests, none of which may fail.
func load(ctx context.Context, addr string, n int) (servers.LoadResult, error) {
	l := servers.StartLoad(servers.LoadOptions{Addr: addr})
	defer l.Stop()
	err := servers.Wait(ctx, func() error {
		if have := l.Result().Requests; have < n {
			return fmt.Errorf("%d of %d requests have been answered", have, n)
		}
		return nil
	})
	result := l.Stop()
	return result, errors.Join(err, result.Err())
}

// list prints counts as "service2-1-v1 100, service2-2-v1 99".
func list(counts map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, counts[name]))
	}
	return strings.Join(parts, ", ")
}

// leastConn holds connections open: Consul's own proxy would choose at random.
func (s *story) leastConn(ctx context.Context) error {
	for _, addr := range []string{s.socat, s.verified} {
		first, err := s.hold(ctx, addr, 10)
		if err != nil {
			return err
		}
		first.of[0].end()
		second, err := s.hold(ctx, addr, 5)
		if err != nil {
			return err
		}
		s.say("at %s: 10 connections that stay are %d and %d; those of the first end, and of 5 more it gets %d",
			addr, len(first.of[0]), len(first.of[1]), len(second.of[0]))
		if len(first.of[0]) != 5 || len(second.of[0]) < 4 { // nginx may see an end a moment later
			return errors.New("it should be 5 and 5, and then 5")
		}
		first.end()
		second.end()
	}
	return nil
}

// held are connections by the instance that has them.
type held struct{ of [2]sessions }

// hold opens connections, and finds out which instance has got each.
func (s *story) hold(ctx context.Context, addr string, n int) (h held, err error) {
	for range n {
		before := s.echos[0].Accepted()
		live, err := dial(ctx, addr)
		if err == nil {
			err = live.echo("hello")
		}
		if err != nil {
			return h, err
		}
		i := 1
		if s.echos[0].Accepted() > before {
			i = 0
		}
		h.of[i] = append(h.of[i], live)
	}
	return h, nil
}

func (h held) end() {
	h.of[0].end()
	h.of[1].end()
}

// versions gives v2 a share of the requests, and more.
func (s *story) versions(ctx context.Context) error {
	for _, percent := range []int{20, 80, 0} {
		before, start := s.nginx.Workers(), time.Now()
		if _, err := s.consul.Client.KV().Put(&api.KVPair{Key: "release/service2/canary", Value: fmt.Append(nil, percent)}, (&api.WriteOptions{}).WithContext(ctx)); err != nil {
			return err
		}
		if err := s.rendered(ctx, percent, before); err != nil {
			return err
		}
		took := time.Since(start)
		result, err := load(ctx, s.split, 1000)
		if err != nil {
			return err
		}
		got := 100 * result.Backends[s.backends[2].ID] / result.Requests
		s.say("%d %%: live after %s, then of %d requests %d %% go to v2, 0 failed", percent, ms(took), result.Requests, got)
		if got < percent-6 || got > percent+6 {
			return fmt.Errorf("v2 gets %d %%", got)
		}
	}
	return nil
}

// rendered waits until nginx runs with a percentage: other workers have taken
// the place of those before.
func (s *story) rendered(ctx context.Context, percent int, before []int) error {
	line := fmt.Sprintf(" %d%% connect.service2.v2;", percent)
	err := servers.Wait(ctx, func() error {
		text, err := os.ReadFile(s.etc("http.d/service2-split.conf"))
		if err == nil && strings.Contains(string(text), line) != (percent > 0) {
			err = errors.New("the percentage is not in nginx's file")
		}
		return err
	})
	if err != nil {
		return err
	}
	return servers.Wait(ctx, func() error {
		if now := s.nginx.Workers(); len(now) == 0 || slices.ContainsFunc(before, func(pid int) bool { return slices.Contains(now, pid) }) {
			return fmt.Errorf("nginx's workers are %v and were %v", now, before)
		}
		return nil
	})
}
