package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// sessionTime bounds one line and its echo.
const sessionTime = 5 * time.Second

// session is a connection to socat through nginx.
type session struct {
	conn   net.Conn
	reader *bufio.Reader
}

func dial(ctx context.Context, addr string) (*session, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &session{conn, bufio.NewReader(conn)}, nil
}

// errStolen is an answer of somebody else.
var errStolen = errors.New("somebody else has answered")

// echo sends a line and wants it back.
func (s *session) echo(line string) error {
	if err := s.conn.SetDeadline(time.Now().Add(sessionTime)); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(s.conn, line); err != nil {
		return err
	}
	got, err := s.reader.ReadString('\n')
	switch {
	case err != nil:
		return fmt.Errorf("read the echo: %w", err)
	case got == stolen+"\n":
		return errStolen
	case got != line+"\n":
		return fmt.Errorf("the echo of %q is %q", line, got)
	}
	return nil
}

// try is a session of one line.
func try(ctx context.Context, addr string) error {
	s, err := dial(ctx, addr)
	if err != nil {
		return err
	}
	defer s.conn.Close()
	return s.echo("hello")
}

// sessions are connections that stay.
type sessions []*session

// open opens one in each way to socat.
func (s *story) open(ctx context.Context) (sessions, error) {
	var all sessions
	for _, w := range s.ways() {
		live, err := dial(ctx, w.addr)
		if err != nil {
			return all, err
		}
		s.cleanup(func() error { live.conn.Close(); return nil })
		all = append(all, live)
	}
	return all, all.alive()
}

// alive has all of them echo.
func (all sessions) alive() error {
	for _, live := range all {
		if err := live.echo("still there"); err != nil {
			return err
		}
	}
	return nil
}

func (all sessions) end() {
	for _, live := range all {
		live.conn.Close()
	}
}

// chat is sessions, one after the other, until it is stopped.
type chat struct {
	stop  func()
	group sync.WaitGroup

	lines int
	err   error // the first one
}

func startChat(ctx context.Context, addr string) *chat {
	ctx, cancel := context.WithCancel(ctx)
	c := &chat{stop: cancel}
	c.group.Go(func() {
		for ctx.Err() == nil && c.err == nil {
			c.err = try(context.WithoutCancel(ctx), addr)
			c.lines++
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	return c
}

// end gives how many sessions there have been, or the error of one that has failed.
func (c *chat) end() (int, error) {
	c.stop()
	c.group.Wait()
	return c.lines, c.err
}
