package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// running is a stream that goes on beside a step. Its messages are numbered, and none may
// be lost.
type running struct {
	server string        // that has the stream
	got    atomic.Int64  // messages
	done   chan struct{} // closed at its end
	err    error         // to be read after done
}

// runTicks receives until the stream ends. It returns with the first message.
func runTicks(ctx context.Context, c *client) (*running, error) {
	stream, err := ticks(ctx, c)
	if err != nil {
		return nil, err
	}
	return follow(ctx, func(int64) (string, error) { return receive(stream)() })
}

// runChat sends and receives until the stream ends. It returns with the first message.
func runChat(ctx context.Context, c *client) (*running, error) {
	stream, err := chat(ctx, c)
	if err != nil {
		return nil, err
	}
	return follow(ctx, func(n int64) (string, error) {
		if n > 1 {
			time.Sleep(tickTime) // as somebody who talks
		}
		if err := send(stream)(fmt.Sprint(n)); err != nil && !errors.Is(err, io.EOF) { // receive tells why
			return "", err
		}
		return receive(stream)()
	})
}

// follow gets message after message, from 1 on.
func follow(ctx context.Context, next func(n int64) (string, error)) (*running, error) {
	r := &running{done: make(chan struct{})}
	first := make(chan struct{})
	go func() {
		defer close(r.done)
		for n := int64(1); ; n++ {
			var text string
			if text, r.err = next(n); r.err == nil {
				r.err = r.take(n, text)
			}
			if r.err != nil {
				return
			}
			if n == 1 {
				close(first)
			}
		}
	}()
	select {
	case <-first:
		return r, nil
	case <-r.done:
		return nil, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// take counts a message, which has its number behind the name of the server.
func (r *running) take(n int64, text string) error {
	server, number, _ := strings.Cut(text, " ")
	if number != fmt.Sprint(n) {
		return fmt.Errorf("message %d is lost: got %s", n, text)
	}
	if n == 1 {
		r.server = server
	}
	r.got.Store(n)
	return nil
}

// more waits for more messages.
func (r *running) more(ctx context.Context, n int64) error {
	want := r.got.Load() + n
	return servers.Wait(ctx, func() error {
		if r.got.Load() < want {
			return fmt.Errorf("the stream of %s is at message %d, not yet at %d", r.server, r.got.Load(), want)
		}
		return nil
	})
}

// end waits for the end and gives the reason.
func (r *running) end(ctx context.Context) error {
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return fmt.Errorf("no end of the stream of %s (%w)", r.server, ctx.Err())
	}
}
