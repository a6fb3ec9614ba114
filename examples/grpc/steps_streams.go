package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// streams opens some over one connection, and one that is larger than a request may be.
func (s *story) streams(ctx context.Context) error {
	c, err := dialNginx(s.addr, siteName, true)
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var y tally
	for range 12 {
		r, err := runTicks(ctx, c)
		if err != nil {
			return err
		}
		y.add(outcome{server: r.server})
	}
	s.say("%d streams from servers, open at once over %d connection: %s", y.calls, c.connections.Load(), y.spread())
	if err := y.even(s.names()); err != nil {
		return err
	}
	return s.large(ctx, c)
}

// large sends more than the body of a request may have here, which is 1 MB.
func (s *story) large(ctx context.Context, c *client) error {
	const messages = 8
	stream, err := chat(ctx, c)
	if err != nil {
		return err
	}
	text := strings.Repeat("x", 1<<20)
	for n := range messages {
		if err := send(stream)(text); err != nil {
			return fmt.Errorf("send message %d: %w", n+1, errors.Join(err, stream.RecvMsg(nil)))
		}
		if _, err := receive(stream)(); err != nil {
			return fmt.Errorf("receive message %d: %w", n+1, err)
		}
	}
	s.say("a stream in both directions: %d MB there, and as many back", messages)
	return stream.CloseSend()
}

// reload has the server of before come back while streams are open over the connection
// of the calls. The worker of before keeps them for as long as it may.
func (s *story) reload(ctx context.Context) error {
	c := s.traffic.client
	down, err := runTicks(ctx, c)
	if err != nil {
		return err
	}
	both, err := runChat(ctx, c)
	if err != nil {
		return err
	}
	connections := c.connections.Load()
	if err := s.pass(ctx, s.servers["hello-2"]); err != nil {
		return err
	}
	reloaded := time.Now()
	if err := errors.Join(down.more(ctx, 10), both.more(ctx, 10), s.traffic.more(ctx, 100)); err != nil {
		return err
	}
	made := c.connections.Load() - connections
	s.say("nginx has sent GOAWAY: the calls go over %d new connection; both streams go on over the old one, at messages %d and %d", made, down.got.Load(), both.got.Load())
	if made == 0 {
		return errors.New("the client has no new connection: nothing is shown")
	}
	return errors.Join(s.cut(ctx, down, "from the server", reloaded), s.cut(ctx, both, "in both directions", reloaded))
}

// cut waits until nginx ends a stream, and opens another one.
func (s *story) cut(ctx context.Context, r *running, what string, reloaded time.Time) error {
	if err := r.end(ctx); status.Code(err) != codes.Unavailable {
		return fmt.Errorf("the stream %s has ended with %w", what, err)
	}
	s.say("the stream %s is cut after message %d, %s after the reload (worker_shutdown_timeout %s): %s", what, r.got.Load(), ms(time.Since(reloaded)), drainTime, codes.Unavailable)
	again, err := runTicks(ctx, s.traffic.client)
	if err != nil {
		return err
	}
	return again.more(ctx, 1)
}

// streamOf opens streams until one comes to a server.
func (s *story) streamOf(ctx context.Context, name string) (*running, error) {
	for {
		r, err := runTicks(ctx, s.traffic.client)
		if err != nil || r.server == name {
			return r, err
		}
	}
}

// ended wants a stream to have been ended by its server.
func (s *story) ended(ctx context.Context, r *running) error {
	if err := r.end(ctx); !errors.Is(err, io.EOF) {
		return fmt.Errorf("the stream of %s has ended with %w", r.server, err)
	}
	s.say("its stream was ended by itself, after message %d: OK", r.got.Load())
	return nil
}
