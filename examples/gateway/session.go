package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"
)

// session is a connection to an echo server.
type session struct {
	conn   net.Conn
	reader *bufio.Reader
}

// dial connects, with TLS where there is a config for it.
func dial(ctx context.Context, addr string, secure *tls.Config) (*session, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if secure != nil {
		client := tls.Client(conn, secure)
		if err := client.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, err
		}
		conn = client
	}
	return &session{conn: conn, reader: bufio.NewReader(conn)}, nil
}

// echo sends a line and wants it back.
func (s *session) echo(line string) error {
	if err := s.conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(s.conn, line); err != nil {
		return err
	}
	got, err := s.reader.ReadString('\n')
	if err != nil {
		return fmt.Errorf("read the echo: %w", err)
	}
	if got != line+"\n" {
		return fmt.Errorf("the echo of %q is %q", line, got)
	}
	return nil
}

// tryEcho is a session of one line.
func tryEcho(ctx context.Context, addr string, secure *tls.Config) error {
	s, err := dial(ctx, addr, secure)
	if err != nil {
		return err
	}
	defer s.conn.Close()
	return s.echo("hello")
}
