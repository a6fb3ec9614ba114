package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/ctmpl/ctmpl/internal/servers"
)

const (
	workTime = 20 * time.Millisecond // of a unary call
	tickTime = 50 * time.Millisecond // between two messages of Ticks

	graceTime = 5 * time.Second // for the streams of a server that ends
)

// server is a gRPC server.
type server struct {
	name string // "hello-1", also its ID in Consul
	addr string
	port int

	grpc   *grpc.Server
	health *health.Server
	served chan struct{}
	ending chan struct{} // streams are asked to end
	end    sync.Once

	// Of unary calls:
	calls atomic.Int64 // so far
	busy  atomic.Int64 // now
	last  atomic.Int64 // when the last one has come, as nanoseconds of Unix

	keeper *keeper // passes the TTL; nil when Consul asks by itself
}

// startServer starts a server on a port of its own, or on one that it has had.
func startServer(name string, port int) (s *server, err error) {
	if port == 0 {
		if port, err = servers.FreePort(); err != nil {
			return nil, err
		}
	}
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	s = &server{
		name: name, addr: addr, port: port, grpc: grpc.NewServer(), health: health.NewServer(),
		served: make(chan struct{}), ending: make(chan struct{}),
	}
	s.grpc.RegisterService(&helloDesc, s)
	healthpb.RegisterHealthServer(s.grpc, s.health)
	s.setHealthy(true)
	go func() {
		defer close(s.served)
		_ = s.grpc.Serve(listener) // ends when the server is stopped
	}()
	return s, nil
}

// setHealthy chooses what the health service answers.
func (s *server) setHealthy(healthy bool) {
	status := healthpb.HealthCheckResponse_NOT_SERVING
	if healthy {
		status = healthpb.HealthCheckResponse_SERVING
	}
	s.health.SetServingStatus(serviceName, status)
}

// Say takes some time, so that calls are under way when something happens.
func (s *server) Say(ctx context.Context, text string) (string, error) {
	s.calls.Add(1)
	s.busy.Add(1)
	defer s.busy.Add(-1)
	s.last.Store(time.Now().UnixNano())
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case <-time.After(workTime):
		return s.name + " " + text, nil
	}
}

// Ticks ends with the client, or with the server.
func (s *server) Ticks(ctx context.Context, send func(string) error) error {
	ticker := time.NewTicker(tickTime)
	defer ticker.Stop()
	for n := 1; ; n++ {
		if err := send(s.name + " " + strconv.Itoa(n)); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.ending:
			return nil
		case <-ticker.C:
		}
	}
}

// Chat ends when the client has said all.
func (s *server) Chat(receive func() (string, error), send func(string) error) error {
	for {
		text, err := receive()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = send(s.name + " " + text)
		}
		if err != nil {
			return err
		}
	}
}

// awaitBusy waits until some calls are under way.
func (s *server) awaitBusy(ctx context.Context, calls int64) error {
	return servers.Wait(ctx, func() error {
		if busy := s.busy.Load(); busy < calls {
			return fmt.Errorf("%d calls are under way at %s, not %d", busy, s.name, calls)
		}
		return nil
	})
}

// lastCall gives when the last unary call has come.
func (s *server) lastCall() time.Time { return time.Unix(0, s.last.Load()) }

// stop takes no new call, and returns when those that run have ended. Streams of which
// only the client knows the end are cut after a while.
func (s *server) stop() {
	s.end.Do(func() { close(s.ending) })
	cut := time.AfterFunc(graceTime, s.grpc.Stop)
	defer cut.Stop()
	s.grpc.GracefulStop()
	<-s.served
}

// kill closes all connections at once, as a crash would. The TTL is passed no more.
func (s *server) kill() error {
	s.keeper.stop()
	s.grpc.Stop()
	<-s.served
	return nil
}
