package consul_test

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// gate passes connections on, and counts them.
type gate struct {
	listener net.Listener
	to       string

	mu   sync.Mutex
	open map[net.Conn]*pipe
	most int // at once
	all  int // so far
}

// pipe is one direction of a connection.
type pipe struct {
	net.Conn
	dead *atomic.Bool // what is written is lost
}

func (p *pipe) Write(b []byte) (int, error) {
	if p.dead.Load() {
		return len(b), nil
	}
	return p.Conn.Write(b)
}

func newGate(t *testing.T, to string) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{listener: l, to: to, open: map[net.Conn]*pipe{}}
	go g.serve()
	t.Cleanup(func() { l.Close(); g.cut() })
	return g
}

func (g *gate) serve() {
	for {
		c, err := g.listener.Accept()
		if err != nil {
			return
		}
		agent, err := net.Dial("tcp", g.to)
		if err != nil {
			c.Close()
			continue
		}
		there := &pipe{agent, new(atomic.Bool)}
		back := &pipe{c, there.dead}
		g.mu.Lock()
		g.open[c] = there
		g.most, g.all = max(g.most, len(g.open)), g.all+1
		g.mu.Unlock()
		go g.pass(there, c)
		go g.pass(back, agent)
	}
}

// pass ends both sides when one has ended.
func (g *gate) pass(to *pipe, from net.Conn) {
	_, _ = io.Copy(to, from)
	to.Close()
	from.Close()
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.open, to.Conn)
	delete(g.open, from)
}

// bury has all connections that are open lose what is sent over them.
func (g *gate) bury() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range g.open {
		p.dead.Store(true)
	}
}

// cut ends all connections.
func (g *gate) cut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.open {
		c.Close()
	}
}

// buried is how many of those are open.
func (g *gate) buried() (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range g.open {
		if p.dead.Load() {
			n++
		}
	}
	return n
}

// counts gives the connections that are open, the most that were at once, and all there were.
func (g *gate) counts() (open, most, all int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.open), g.most, g.all
}
