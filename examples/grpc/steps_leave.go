package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

// verdict waits until the check of a server is critical in Consul, and gives when that
// was.
func (s *story) verdict(ctx context.Context, srv *server) (time.Time, error) {
	query := (&api.QueryOptions{}).WithContext(ctx)
	for {
		checks, meta, err := s.consul.Client.Health().Checks("hello", query)
		if err != nil {
			return time.Time{}, fmt.Errorf("wait until %s is critical: %w", srv.name, err)
		}
		for _, c := range checks {
			if c.CheckID == srv.checkID() && c.Status == api.HealthCritical {
				return time.Now(), nil
			}
		}
		query.WaitIndex = meta.LastIndex
	}
}

// promise is within what time of Consul's verdict a server gets its last call.
const promise = 3 * time.Second

// leaves waits for the verdict, and until the server is out of nginx's file and gets no
// call any more.
func (s *story) leaves(ctx context.Context, srv *server, what string) error {
	start := time.Now()
	since, err := s.verdict(ctx, srv)
	if err != nil {
		return err
	}
	if err := s.inFile(ctx, srv.addr, false); err != nil {
		return err
	}
	s.say("%s %s: critical in Consul after %s, and out of nginx's file %s later", srv.name, what, ms(since.Sub(start)), ms(time.Since(since)))
	return s.silent(ctx, srv, since)
}

// silent waits until a server has got none of a hundred calls, and looks at when it got
// the last one.
func (s *story) silent(ctx context.Context, srv *server, since time.Time) error {
	for {
		before := srv.calls.Load()
		if err := s.traffic.more(ctx, 100); err != nil {
			return err
		}
		if srv.calls.Load() == before {
			break
		}
	}
	last := srv.lastCall().Sub(since)
	if last > promise {
		return fmt.Errorf("%s has got a call %s after it was critical", srv.name, last)
	}
	if last > 0 {
		s.say("its last call came %s after it was critical", ms(last))
	}
	return nil
}

// lapse has a server give no sign of life any more, that goes on to serve. The client
// has a stream open over the connection of the calls.
func (s *story) lapse(ctx context.Context) error {
	r, err := runTicks(ctx, s.traffic.client)
	if err != nil {
		return err
	}
	srv := s.servers["hello-2"]
	srv.keeper.stop()
	if err := s.leaves(ctx, srv, "gives no sign of life"); err != nil {
		return err
	}
	return r.more(ctx, 1)
}

// kill is a crash with calls under way: until Consul notices nginx asks another server
// where it may, and the client calls again where nginx may not.
func (s *story) kill(ctx context.Context) error {
	srv := s.servers["hello-3"]
	if err := srv.awaitBusy(ctx, 4); err != nil {
		return err
	}
	if err := srv.kill(); err != nil {
		return err
	}
	if err := s.leaves(ctx, srv, "is killed"); err != nil {
		return err
	}
	failed := strings.Count(s.nginx.Log(), `upstream: "grpc://`+srv.addr)
	s.say("nginx has seen it fail %d times", failed)
	if failed == 0 {
		return fmt.Errorf("nginx has never tried %s after its end: nothing is shown", srv.name)
	}
	return nil
}

// comeBack starts it again, on the same port.
func (s *story) comeBack(ctx context.Context) error {
	return s.add(ctx, "hello-3", s.servers["hello-3"].port)
}

// consulAsks registers a server that does not know of Consul.
func (s *story) consulAsks(ctx context.Context) error {
	srv, err := startServer("hello-4", 0)
	if err != nil {
		return err
	}
	s.cleanup(srv.kill)
	s.servers[srv.name] = srv
	start := time.Now()
	if err := srv.register(ctx, s.consul, grpcCheck(srv)); err != nil {
		return err
	}
	if err := s.arrives(ctx, srv, "is registered with the check", start); err != nil {
		return err
	}
	srv.setHealthy(false)
	if err := s.leaves(ctx, srv, "says NOT_SERVING"); err != nil {
		return err
	}
	start = time.Now()
	srv.setHealthy(true)
	return s.arrives(ctx, srv, "says SERVING", start)
}

// leave ends a server well.
func (s *story) leave(ctx context.Context) error {
	srv := s.servers["hello-1"]
	r, err := s.streamOf(ctx, srv.name)
	if err != nil {
		return err
	}
	start := time.Now()
	if err := srv.leave(ctx, s.consul); err != nil {
		return err
	}
	s.say("hello-1 leaves Consul: its last call came after %s, it has stopped after %s", ms(srv.lastCall().Sub(start)), ms(time.Since(start)))
	delete(s.servers, srv.name)
	return s.ended(ctx, r)
}

// sum ends the calls.
func (s *story) sum(context.Context) error {
	err := errors.Join(s.traffic.stop(), s.plain.stop())
	all := s.traffic.sum()
	s.say("%s, the slowest took %s, over %d connections", all, ms(all.slowest), s.traffic.client.connections.Load())
	s.say("without the retry policy: %s", s.plain.sum())
	return errors.Join(err, all.err())
}
