package consul

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
)

const (
	// streams is the most queries that share a connection of HTTP/2.
	streams = 200
	// h2Connections is the most connections of HTTP/2.
	h2Connections = 30
)

// pool has many requests share few connections of HTTP/2. For net/http's own pool a connection
// that is full is none (http.Transport.MaxConnsPerHost): each request that finds no room has
// another one made, though one with room for hundreds is on its way.
type pool struct {
	tr     *http.Transport // makes the connections
	host   string          // of the URLs
	most   int             // connections
	budget *budget         // is told how many requests share a connection

	mu     sync.Mutex
	conns  []*shared
	making int // connections
	room   int // for requests on each connection
	queue  []chan *shared
}

// errHTTP1 says that a request is none for the pool: the agent speaks HTTP/1.1, or has
// redirected it to another host.
var errHTTP1 = errors.New("not over HTTP/2")

// shared is a connection of a pool.
type shared struct {
	*http.ClientConn
	room int  // for requests, 0 until the agent has told
	busy int  // requests
	ends bool // it takes no more
}

// newPool makes one of connections as tr has them, but of HTTP/2 where the agent speaks that.
func newPool(tr *http.Transport, host string, b *budget) *pool {
	p := &pool{tr: tr.Clone(), host: host, budget: b, room: streams}
	p.most = min(positive(tr.MaxConnsPerHost, h2Connections), h2Connections)
	p.tr.MaxConnsPerHost = 0       // it is confused when one that it has made for others is closed
	p.tr.ForceAttemptHTTP2 = true  // which is off where there is a TLS configuration
	p.tr.DisableKeepAlives = false // or each request would have a connection for itself
	// One that is dead without a word would be given to one request after the other.
	p.tr.HTTP2 = &http.HTTP2Config{SendPingTimeout: silence}
	return p
}

// send does a request without a body. sent tells whether it has had a connection.
func (p *pool) send(req *http.Request) (resp *http.Response, sent bool, err error) {
	if req.URL.Host != p.host {
		return nil, false, errHTTP1
	}
	for range h2Connections { // all may be about to end
		var c *shared
		if c, err = p.take(req.Context()); err != nil {
			return nil, sent, err
		}
		sent = true
		if resp, err = c.RoundTrip(req); err == nil {
			p.learn(c)
			resp.Body = &place{ReadCloser: resp.Body, leave: sync.OnceFunc(func() { p.leave(c, false) })}
			return resp, true, nil
		}
		ends := ending(err)
		if p.leave(c, ends); !ends {
			break
		}
	}
	return nil, true, err
}

// place is the body of an answer. Its request has a place on a connection until it is closed.
type place struct {
	io.ReadCloser
	leave func()
}

func (p *place) Close() error {
	defer p.leave()
	return p.ReadCloser.Close()
}

// ending tells whether the agent has not looked at a request because the connection was about to
// end (https://www.rfc-editor.org/rfc/rfc9113#section-6.8).
func ending(err error) bool {
	return strings.Contains(err.Error(), "client conn not usable") || strings.Contains(err.Error(), "graceful shutdown GOAWAY")
}

// take gives a place on a connection, as soon as there is one.
func (p *pool) take(ctx context.Context) (*shared, error) {
	turn := make(chan *shared, 1)
	p.mu.Lock()
	p.queue = append(p.queue, turn)
	p.serve()
	p.mu.Unlock()
	select {
	case c := <-turn:
		if c == nil {
			return p.connect(ctx)
		}
		return c, nil
	case <-ctx.Done():
		p.forgo(turn)
		return nil, ctx.Err()
	}
}

// serve gives those who wait a place, in turn. As many of them as are needed get nil, to make a
// connection.
func (p *pool) serve() {
	if len(p.queue) > 0 {
		p.drop()
	}
	for len(p.queue) > 0 {
		i := slices.IndexFunc(p.conns, func(c *shared) bool { return c.busy < cmp.Or(c.room, p.room) })
		switch {
		case i >= 0:
			p.conns[i].busy++
			p.queue[0] <- p.conns[i]
		case len(p.conns)+p.making < p.most && len(p.queue) > p.making*(p.room-1):
			p.making++
			p.queue[0] <- nil
		default:
			return
		}
		p.queue = p.queue[1:]
	}
}

// drop removes the connections that take no more requests. Those that are under way end well.
func (p *pool) drop() {
	p.conns = slices.DeleteFunc(p.conns, func(c *shared) bool { return c.ends || c.Err() != nil })
}

// connect makes a connection with a place on it.
func (p *pool) connect(ctx context.Context) (*shared, error) {
	address := p.host
	if _, _, err := net.SplitHostPort(address); err != nil {
		address += ":443"
	}
	made, err := p.tr.NewClientConn(ctx, "https", address)
	if err == nil && made.Available() == 1 {
		_ = made.Close()
		err = errHTTP1
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.serve()
	p.making--
	if err != nil {
		return nil, err
	}
	c := &shared{ClientConn: made, busy: 1}
	p.conns = append(p.conns, c)
	return c, nil
}

// forgo is for whoever does not wait any more.
func (p *pool) forgo(turn chan *shared) {
	p.mu.Lock()
	if i := slices.Index(p.queue, turn); i >= 0 {
		p.queue = slices.Delete(p.queue, i, i+1)
		p.mu.Unlock()
		return
	}
	defer p.mu.Unlock()
	defer p.serve()
	if c := <-turn; c == nil {
		p.making--
	} else {
		c.busy--
	}
}

// leave frees a place on a connection, which may be about to end.
func (p *pool) leave(c *shared, ends bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.busy--
	c.ends = c.ends || ends
	p.serve()
}

// learn takes over how many requests a connection takes at once, which it knows from its first
// answer on. A part stays free: a request ends here before it does at the agent.
func (p *pool) learn(c *shared) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.room > 0 {
		return
	}
	if free := c.Available(); free > 0 {
		p.room = max(1, min(streams, (free+c.InFlight())/5*4))
		p.budget.share(p.room)
	}
	c.room = p.room
}

// CloseIdleConnections closes the connections over which no request is under way.
func (p *pool) CloseIdleConnections() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = slices.DeleteFunc(p.conns, func(c *shared) bool {
		if c.busy == 0 {
			_ = c.Close()
		}
		return c.busy == 0
	})
}
