package consul

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ctmpl/ctmpl/watch"
)

// settle is how long a refused request waits before the connections are counted: those that
// had been made by the half of that, and that the agent refuses as well, are closed by then.
const settle = 100 * time.Millisecond

// roomPause is how often a connection looks for room in a budget that is used up.
const roomPause = 10 * time.Millisecond

// atOnce is how early a connection breaks that was never taken.
const atOnce = time.Second

// refusal is the error of a request for which the agent took no connection.
type refusal struct{ text string }

func (e *refusal) Error() string { return e.text }

func (e *refusal) Unwrap() error { return watch.ErrRefused }

// counted is the http.RoundTripper of the client. It counts the connections, tells the
// budget what becomes of the requests, and makes one error of all kinds of refusal.
type counted struct {
	budget *budget
	plain  *http.Transport // for HTTP/1.1
	few    *http.Transport // the same, with fewer connections, while sentinels look after the queries
	h2     *pool           // for HTTPS, as long as HTTP/2 may be spoken

	atOnce   time.Duration
	watching atomic.Bool         // few is used
	cut      atomic.Pointer[cut] // the last one
}

// newCounted makes it of a transport that is set up, for the URLs of a host, and counts its connections.
func newCounted(b *budget, tr *http.Transport, host string) *counted {
	c := &counted{budget: b, plain: tr, atOnce: atOnce}
	dial := tr.DialContext
	tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if err := c.room(ctx); err != nil {
			return nil, err
		}
		plain, err := dial(ctx, network, addr)
		if err != nil {
			b.give()
			return nil, err
		}
		made := &conn{Conn: plain, of: c, socket: socketOf(plain)}
		b.add(made)
		return made, nil
	}
	c.h2 = newPool(tr, host, b)
	c.few = tr.Clone()
	c.few.MaxConnsPerHost = max(1, min(tr.MaxConnsPerHost, watch.MostWatching)-probers)
	return c
}

// room waits until the budget has a connection. One that nobody uses, of another transport, is
// closed for that.
func (c *counted) room(ctx context.Context) error {
	for !c.budget.take() {
		c.CloseIdleConnections()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(roomPause):
		}
	}
	return nil
}

// watch has few connections used from now on, or as many as there may be.
func (c *counted) watch(few bool) {
	c.watching.Store(few)
	if few {
		c.plain.CloseIdleConnections()
	} else {
		c.few.CloseIdleConnections()
	}
}

// conn is a connection that is counted.
type conn struct {
	net.Conn
	socket   *socket // of Conn
	of       *counted
	answered atomic.Bool  // there was something to read, and no refusal
	asked    atomic.Int64 // when something was written, 0 when it has been answered; in ns
}

func (c *conn) Close() error {
	c.of.budget.remove(c)
	return c.Conn.Close()
}

func (c *conn) Write(b []byte) (int, error) {
	c.asked.Store(time.Now().UnixNano())
	return c.socket.write(b)
}

// Read gives a refusal as an error. An agent writes it as soon as it has accepted the
// connection: net/http takes it for an answer that nobody has asked for when it is earlier
// than the request, writes that to the log and dials again. It also asks again, without a word,
// over another connection when one is cut off that was used before.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.socket.read(b)
	switch asked := c.asked.Load(); {
	case n == 0 && asked > 0 && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)):
		now := time.Now()
		c.of.cut.Store(&cut{now, now.Sub(time.Unix(0, asked))})
	case n > 0 && !c.answered.Load() && isRefusal(b[:n]):
		_, text, _ := bytes.Cut(b[:n], []byte("\r\n\r\n"))
		return 0, &refusal{"HTTP status 429: " + string(text)}
	case n > 0:
		c.answered.Store(true)
		c.asked.Store(0)
	}
	return n, err
}

// isRefusal tells whether the beginning of an answer is that of a refused connection. Too many
// requests have the same status, and leave the connection open.
func isRefusal(head []byte) bool {
	return bytes.HasPrefix(head, []byte("HTTP/1.1 429 ")) && bytes.Contains(head, []byte("\r\nConnection: close\r\n"))
}

// RoundTrip implements http.RoundTripper.
func (c *counted) RoundTrip(req *http.Request) (*http.Response, error) {
	began, start := c.budget.mark(), time.Now()
	resp, sent, err := c.send(req)
	if err != nil && req.Context().Err() != nil {
		if sent {
			c.linger(req, time.Since(start))
		}
		return nil, err
	}
	var refused *refusal
	switch {
	case err == nil && resp.StatusCode == http.StatusTooManyRequests && resp.Close: // over TLS
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 512))
		resp.Body.Close()
		return nil, c.shrink(req.Context(), began, &refusal{"HTTP status 429: " + string(text)})
	case err == nil:
		c.budget.answered(resp.ProtoMajor)
	case errors.As(err, &refused):
		return nil, c.shrink(req.Context(), began, refused)
	case c.budget.https && !sent && time.Since(start) < c.atOnce && brokenOff(err): // over plain HTTP it can be read
		return nil, c.shrink(req.Context(), began, err)
	}
	return resp, err
}

// send does a request. sent tells whether it has had a connection.
func (c *counted) send(req *http.Request) (resp *http.Response, sent bool, err error) {
	if c.budget.speaksH2() {
		if resp, sent, err = c.h2.send(req); !errors.Is(err, errHTTP1) {
			return resp, sent, err
		}
	}
	tr := c.plain
	if c.watching.Load() {
		tr = c.few
	}
	var had atomic.Bool
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { had.Store(true) }}
	resp, err = tr.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
	return resp, had.Load(), err
}

// shrink has the budget shrink because of a refusal, and gives the error of the request. A
// connection that just ended is a refusal if there are others that do not.
func (c *counted) shrink(ctx context.Context, began mark, why error) error {
	sleep(ctx, settle/2)
	then := c.budget.mark()
	if sleep(ctx, settle/2); ctx.Err() != nil {
		return ctx.Err()
	}
	if !errors.Is(why, watch.ErrRefused) {
		if !c.budget.others(then) {
			return why
		}
		why = &refusal{"the connection was refused: " + why.Error()}
	}
	c.budget.refused(began, then)
	return why
}

// linger counts the connection of a request that was given up until the agent's wait for a
// change is over: it has its place there until then, but for what Consul streams.
func (c *counted) linger(req *http.Request, waited time.Duration) {
	wait, err := time.ParseDuration(req.URL.Query().Get("wait"))
	rest := wait + wait/16 - waited
	if err == nil && rest > 0 && !c.budget.speaksH2() && !strings.Contains(req.URL.Path, "/v1/health/service/") {
		c.budget.keep(rest)
	}
}

// CloseIdleConnections closes the connections over which no request is under way.
func (c *counted) CloseIdleConnections() {
	c.plain.CloseIdleConnections()
	c.few.CloseIdleConnections()
	c.h2.CloseIdleConnections()
}

// brokenOff tells whether a connection was made, and ended before there was an answer. That is
// how it looks when an agent that speaks TLS refuses one.
func brokenOff(err error) bool {
	var record tls.RecordHeaderError
	return errors.As(err, &record) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		strings.Contains(err.Error(), "HTTP response to HTTPS client") || strings.Contains(err.Error(), "HTTP/1.1 header")
}
