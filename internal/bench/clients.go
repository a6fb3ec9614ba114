package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// clientPause lies between two requests of a client.
const clientPause = 2 * time.Millisecond

// clients keep their connection for as long as the server does. They see when it is
// closed between two requests, as any client does, but a request is sent once: the
// transport of net/http would send it again when the connection ends, and hide that.
type clients struct {
	addr           string
	requests, lost atomic.Int64
	cancel         context.CancelFunc
	group          sync.WaitGroup
}

func startClients(addr string, n int) *clients {
	ctx, cancel := context.WithCancel(context.Background())
	c := &clients{addr: addr, cancel: cancel}
	for range n {
		c.group.Go(func() { c.work(ctx) })
	}
	return c
}

// stop waits for the requests under way.
func (c *clients) stop() {
	c.cancel()
	c.group.Wait()
}

func (c *clients) work(ctx context.Context) {
	var conn net.Conn
	for ctx.Err() == nil {
		c.requests.Add(1)
		kept, err := c.ask(conn)
		if err != nil {
			c.lost.Add(1)
		}
		conn = stillOpen(kept)
	}
	if conn != nil {
		_ = conn.Close()
	}
}

// stillOpen waits for the pause, and gives the connection when the server has not
// closed it by then.
func stillOpen(conn net.Conn) net.Conn {
	if conn == nil {
		time.Sleep(clientPause)
		return nil
	}
	_ = conn.SetReadDeadline(time.Now().Add(clientPause))
	if _, err := conn.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
		return conn
	}
	_ = conn.Close()
	return nil
}

// ask sends one request, over a new connection when there is none, and gives the
// connection when it can be used again.
func (c *clients) ask(conn net.Conn) (kept net.Conn, err error) {
	const patience = 10 * time.Second
	if conn == nil {
		if conn, err = net.DialTimeout("tcp", c.addr, patience); err != nil {
			return nil, err
		}
	}
	defer func() {
		if kept == nil {
			_ = conn.Close()
		}
	}()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", c.addr); err != nil {
		return nil, err
	}
	// A reader for each answer is enough: nothing comes behind it.
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return nil, err
	}
	if !response.Close {
		kept = conn
	}
	if response.StatusCode != http.StatusOK {
		return kept, fmt.Errorf("status %s", response.Status)
	}
	return kept, nil
}
