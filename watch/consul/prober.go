package consul

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// probers is the number of connections for probes.
	probers = 2
	// pipelined is how many requests go over one of them before their answers are read
	// (https://www.rfc-editor.org/rfc/rfc9112#name-pipelining): answers of two bytes cost
	// more to wait for than to make.
	pipelined = 24
)

// prober asks for the index of many small answers, over connections of its own. There each goroutine
// reads what it has asked for, so it is woken once for an answer, or for many: with net/http one answer
// takes several.
type prober struct {
	src     *Source
	conns   chan *probing
	lengths [3]lengths // of answers, by what they are for
}

const (
	ofNodes = iota
	ofServices
	ofTable
)

// probing is one connection, for one goroutine at a time.
type probing struct {
	conn   net.Conn // nil while there is none
	in     *bufio.Reader
	socket *socket      // of conn, nil when what arrives there is encrypted
	out    []byte       // the last requests
	body   bytes.Buffer // of the last answer of which it counts
	sent   time.Time    // when something was written last
}

func newProber(s *Source) *prober {
	p := &prober{src: s, conns: make(chan *probing, probers)}
	for range probers {
		p.conns <- &probing{}
	}
	return p
}

// close ends the connections. No probe may be under way.
func (p *prober) close() {
	for range probers {
		c := <-p.conns
		c.close()
		p.conns <- c
	}
}

func (c *probing) close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// probes are questions of which only the index of the answer counts. Its functions are called by
// several goroutines.
type probes struct {
	kind int                                          // what they are for
	few  bool                                         // or nobody waits for them: one connection is enough
	take func(most int) []string                      // whom to ask next, none when that was all
	path func(name string) string                     // what follows /v1/
	tell func(name string, index uint64) (moved bool) // called as soon as an index is known
	// look is called for those that moved, when the connection has nothing else under way.
	look func(c *probing, name string, index uint64) error
}

// indexed is what has moved, and to which index.
type indexed struct {
	name  string
	index uint64
}

// inTurn takes one after the other.
func inTurn(names []string) func(most int) []string {
	var mu sync.Mutex
	return func(most int) (next []string) {
		mu.Lock()
		defer mu.Unlock()
		most = min(most, len(names))
		next, names = names[:most], names[most:]
		return next
	}
}

// probe asks.
func (p *prober) probe(ctx context.Context, all probes) error {
	if all.few {
		return p.probeFew(ctx, all)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var workers sync.WaitGroup
	for range probers {
		first := all.take(pipelined)
		if len(first) == 0 {
			break
		}
		workers.Go(func() {
			for names := first; len(names) > 0 && ctx.Err() == nil; names = all.take(pipelined) {
				if err := p.batch(ctx, names, all); err != nil {
					cancel(err)
				}
			}
		})
	}
	workers.Wait()
	return context.Cause(ctx)
}

// probeFew asks over one connection, in longer batches: several would be through sooner, and wake us
// more often.
func (p *prober) probeFew(ctx context.Context, all probes) error {
	for {
		names := all.take(2 * pipelined)
		if len(names) == 0 {
			return nil
		}
		if err := p.batch(ctx, names, all); err != nil {
			return err
		}
	}
}

// over does something with a connection, as soon as one is free.
func (p *prober) over(ctx context.Context, do func(c *probing) error) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case c := <-p.conns:
		defer func() { p.conns <- c }()
		return do(c)
	}
}

// batch asks some, and looks at those that moved.
func (p *prober) batch(ctx context.Context, names []string, all probes) error {
	return p.over(ctx, func(c *probing) error {
		moved, err := p.ask(ctx, c, names, all)
		if err != nil {
			c.close()
		}
		for _, m := range moved { // of which it is known now, whatever has become of the others
			if failed := all.look(c, m.name, m.index); failed != nil {
				return errors.Join(err, failed)
			}
		}
		return err
	})
}

// ask sends the requests of one batch, reads the answers, and gives those that moved.
func (p *prober) ask(ctx context.Context, c *probing, names []string, all probes) (moved []indexed, err error) {
	c.out = c.out[:0]
	for _, name := range names {
		if err := p.src.admit(ctx); err != nil {
			return nil, err
		}
		c.out = p.request(c.out, all.path(name))
	}
	again := c.conn != nil
	deadline, err := p.send(ctx, c, c.out, p.src.silence)
	if err != nil {
		return nil, err
	}
	defer c.endWith(ctx)()
	known, sizes := &p.lengths[all.kind], make([]int, 0, len(names))
	defer func() { known.learn(names, sizes) }()
	for i, name := range names {
		r, err := p.next(ctx, c, known, names[i:], deadline)
		if err != nil && again && i == 0 { // the agent has closed it meanwhile, as it may
			c.close()
			return p.ask(ctx, c, names, all)
		}
		if err != nil {
			return moved, err
		}
		sizes = append(sizes, r.size)
		if all.tell(name, r.index) {
			moved = append(moved, indexed{name, r.index})
		}
		if rest := names[i+1:]; c.conn == nil && len(rest) > 0 { // these will not be answered over this one
			more, err := p.ask(ctx, c, rest, all)
			return append(moved, more...), err
		}
	}
	return moved, nil
}

// next reads an answer, once the others of its batch are there, too.
func (p *prober) next(ctx context.Context, c *probing, known *lengths, names []string, deadline time.Time) (reply, error) {
	if c.socket != nil && len(names) > 1 && c.in.Buffered() == 0 {
		if err := c.gather(ctx, known.gathered(names), deadline); err != nil {
			return reply{}, p.broken(ctx, err)
		}
	}
	return p.receive(ctx, c, nil)
}

// question asks one thing; the answer is read into body, if that is not nil. One that takes longer
// than within, over a connection, is none.
func (p *prober) question(ctx context.Context, c *probing, path string, within time.Duration, body *bytes.Buffer) (index uint64, err error) {
	if err := p.src.admit(ctx); err != nil {
		return 0, err
	}
	again := c.conn != nil
	c.out = p.request(c.out[:0], path)
	deadline, err := p.send(ctx, c, c.out, within)
	if err != nil {
		return 0, err
	}
	stop := c.endWith(ctx)
	r, err := p.receive(ctx, c, body)
	stop()
	if err == nil {
		return r.index, nil
	}
	c.close()
	if again && r.status == 0 && ctx.Err() == nil && time.Now().Before(deadline) { // it was closed meanwhile, as above
		return p.question(ctx, c, path, within, body)
	}
	return 0, err
}

// request adds one for a path.
func (p *prober) request(b []byte, path string) []byte {
	t := p.src.target
	return append(append(append(append(b, "GET "...), t.prefix...), path...), t.head...)
}

// endWith has what is under way fail when ctx ends.
func (c *probing) endWith(ctx context.Context) (stop func() bool) {
	conn := c.conn
	return context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
}

// send writes requests, over a new connection when there is none, and gives the time until which answers
// are waited for.
func (p *prober) send(ctx context.Context, c *probing, b []byte, within time.Duration) (deadline time.Time, err error) {
	again := c.conn != nil
	if c.conn == nil {
		if err := p.dial(ctx, c); err != nil {
			return time.Time{}, p.src.explain(ctx, err)
		}
	}
	c.sent = time.Now()
	deadline = c.sent.Add(within)
	_ = c.conn.SetDeadline(deadline)
	if _, err := c.conn.Write(b); err != nil {
		c.close()
		if again && ctx.Err() == nil { // the agent has closed it meanwhile
			return p.send(ctx, c, b, within)
		}
		return time.Time{}, p.src.explain(ctx, err)
	}
	return deadline, nil
}

func (p *prober) dial(ctx context.Context, c *probing) error {
	target := p.src.target
	made, err := p.src.transport.plain.DialContext(ctx, "tcp", target.address)
	if err != nil {
		return err
	}
	var plain *socket
	if counted, ok := made.(*conn); ok && !target.https {
		plain = counted.socket
	}
	if target.https {
		config := p.src.transport.plain.TLSClientConfig.Clone()
		if config.ServerName == "" {
			config.ServerName, _, _ = net.SplitHostPort(target.address)
		}
		secure := tls.Client(made, config)
		timed, cancel := context.WithTimeout(ctx, p.src.silence)
		defer cancel()
		if err := secure.HandshakeContext(timed); err != nil {
			_ = made.Close()
			return err
		}
		made = secure
	}
	c.conn, c.in, c.socket = made, bufio.NewReaderSize(made, 16<<10), plain
	return nil
}

// receive reads one answer.
func (p *prober) receive(ctx context.Context, c *probing, body *bytes.Buffer) (reply, error) {
	r, err := readReply(c.in, body)
	switch {
	case err != nil:
		return r, p.broken(ctx, err)
	case r.status == http.StatusTooManyRequests:
		return r, p.refused(ctx, &refusal{"HTTP status 429: " + p.src.firstLine(r.text)})
	case r.status != http.StatusOK:
		return r, fmt.Errorf("HTTP status %d: %s", r.status, p.src.firstLine(r.text))
	}
	if r.closes {
		c.close()
	}
	switch {
	case p.src.lags(r.contact):
		return r, errLags
	case !r.indexed:
		return r, errors.New("the answer is not Consul's: it has no X-Consul-Index")
	}
	return r, nil
}

// broken explains why nothing can be read.
func (p *prober) broken(ctx context.Context, err error) error {
	var refused *refusal
	if errors.As(err, &refused) {
		return p.refused(ctx, refused)
	}
	return p.src.explain(ctx, err)
}

// refused has the budget shrink: the agent does not take the connections of the prober.
func (p *prober) refused(ctx context.Context, why *refusal) error {
	t := p.src.transport
	return t.shrink(ctx, t.budget.mark(), why)
}
