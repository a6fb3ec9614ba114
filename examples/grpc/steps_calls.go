package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// nothing calls while there is no server: nginx does not even listen for gRPC.
func (s *story) nothing(context.Context) error {
	return s.refused(siteName, "nobody listens", codes.Unavailable)
}

// refused makes a call that fails with the code.
func (s *story) refused(host, why string, want codes.Code) error {
	c, err := dialNginx(s.addr, host, false)
	if err != nil {
		return err
	}
	defer c.Close()
	if got := status.Code(c.call().err); got != want {
		return fmt.Errorf("%s: a call is %s, not %s", why, got, want)
	}
	s.say("%s: a call is %s", why, want)
	return nil
}

// appear lets the servers come one after the other.
func (s *story) appear(ctx context.Context) error {
	for n := 1; n <= 3; n++ {
		if err := s.add(ctx, fmt.Sprintf("hello-%d", n), 0); err != nil {
			return err
		}
	}
	return s.refused("other.example.com", "a host that no service has", codes.Unimplemented)
}

func (s *story) startTraffic(t **traffic, policy bool) error {
	c, err := dialNginx(s.addr, siteName, policy)
	if err == nil {
		*t = startTraffic(c)
	}
	return err
}

// add starts a server on a port, registers it, passes its TTL, and waits until nginx
// sends calls to it.
func (s *story) add(ctx context.Context, name string, port int) error {
	srv, err := startServer(name, port)
	if err != nil {
		return err
	}
	s.cleanup(srv.kill)
	s.servers[name] = srv
	if err := srv.register(ctx, s.consul, ttlCheck()); err != nil {
		return err
	}
	return s.pass(ctx, srv)
}

// pass begins to pass the TTL of a server.
func (s *story) pass(ctx context.Context, srv *server) error {
	start := time.Now()
	if err := srv.keep(ctx, s.consul); err != nil {
		return err
	}
	return s.arrives(ctx, srv, "passes its TTL", start)
}

// arrives waits until a server is in nginx's file and gets calls.
func (s *story) arrives(ctx context.Context, srv *server, what string, start time.Time) error {
	if err := s.inFile(ctx, srv.addr, true); err != nil {
		return err
	}
	written := time.Since(start)
	if err := s.answers(ctx, srv.name); err != nil {
		return err
	}
	s.say("%s %s: in nginx's file after %s, answers after %s", srv.name, what, ms(written), ms(time.Since(start)))
	return nil
}

// answers waits for an answer of that server through nginx.
func (s *story) answers(ctx context.Context, name string) error {
	c, err := dialNginx(s.addr, siteName, true)
	if err != nil {
		return err
	}
	defer c.Close()
	return servers.Wait(ctx, func() error {
		o := c.call()
		if o.err == nil && o.server != name {
			return errors.New(name + " does not answer, but " + o.server)
		}
		return o.err
	})
}

// spread makes calls over a single connection, fewer than the 1000 after which nginx
// asks a client for another one. Then it has clients call from now on.
func (s *story) spread(context.Context) error {
	const calls = 300
	c, err := dialNginx(s.addr, siteName, true)
	if err != nil {
		return err
	}
	defer c.Close()
	var y tally
	for range calls {
		y.add(c.call())
	}
	s.say("%s over %d connection: %s", y, c.connections.Load(), y.spread())
	if n := c.connections.Load(); n != 1 {
		return fmt.Errorf("the calls took %d connections", n)
	}
	if err := y.even(s.names()); err != nil {
		return err
	}
	return errors.Join(s.startTraffic(&s.traffic, true), s.startTraffic(&s.plain, false))
}

// names are those of all servers.
func (s *story) names() []string { return slices.Sorted(maps.Keys(s.servers)) }

// report prints what has become of the calls since the last report. Those without the
// policy may fail.
func (s *story) report(ctx context.Context) error {
	if err := s.traffic.more(ctx, 2*callers); err != nil {
		return err
	}
	with, without := s.traffic.take(), s.plain.take()
	s.say("calls meanwhile: %s: %s", with, with.spread())
	s.say("without the retry policy: %s", without)
	return with.err()
}
