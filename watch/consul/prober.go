package consul

import (
	"bufio"
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
	probers = 4
	// pipelined is how many requests go over one of them before their answers are read
	// (https://www.rfc-editor.org/rfc/rfc9112#name-pipelining): answers of two bytes cost
	// more to wait for than to make.
	pipelined = 8
)

// prober asks for the index of many small answers. It has connections of its own.
type prober struct {
	src   *Source
	conns chan *probing
}

// probing is one connection.
type probing struct {
	conn net.Conn // nil while there is none
	in   *bufio.Reader
	each time.Duration // that an answer of the last long batch took
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
	few  bool                            // or nobody waits for them: one connection is enough
	take func(most int) []string         // whom to ask next, none when that was all
	path func(name string) string        // what follows /v1/
	tell func(name string, index uint64) // called as soon as an index is known
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
		names := all.take(4 * pipelined)
		if len(names) == 0 {
			return nil
		}
		if err := p.batch(ctx, names, all); err != nil {
			return err
		}
	}
}

// batch asks over a connection that is free.
func (p *prober) batch(ctx context.Context, names []string, all probes) error {
	c := <-p.conns
	defer func() { p.conns <- c }()
	err := p.ask(ctx, c, names, all)
	if err != nil {
		c.close()
	}
	return err
}

// ask sends the requests of one batch, and reads the answers.
func (p *prober) ask(ctx context.Context, c *probing, names []string, all probes) error {
	var b []byte
	for _, name := range names {
		if err := p.src.admit(ctx); err != nil {
			return err
		}
		b = append(append(append(append(b, "GET "...), p.src.target.prefix...), all.path(name)...), p.src.target.head...)
	}
	again := c.conn != nil
	if err := p.send(ctx, c, b); err != nil {
		return err
	}
	conn, sent := c.conn, time.Now()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	c.gather(ctx, len(names))
	for i, name := range names {
		index, err := p.receive(ctx, c)
		if err != nil && again && i == 0 { // the agent has closed it meanwhile, as it may
			c.close()
			return p.ask(ctx, c, names, all)
		}
		if err != nil {
			return err
		}
		if i == len(names)-1 && i >= pipelined-1 {
			c.each = time.Since(sent) / time.Duration(len(names))
		}
		told := time.Now()
		all.tell(name, index)
		sent = sent.Add(time.Since(told)) // to tell may take requests of its own

		if rest := names[i+1:]; c.conn == nil && len(rest) > 0 { // these will not be answered over this one
			return p.ask(ctx, c, rest, all)
		}
	}
	return nil
}

// gather lets answers gather for most of the time that a batch takes: to be woken for each of them
// costs more than to read it.
func (c *probing) gather(ctx context.Context, answers int) {
	const least = time.Millisecond // the system does not wake us more precisely
	if wait := c.each * time.Duration(answers) * 3 / 4; answers >= pipelined && wait >= least/2 {
		sleep(ctx, min(wait, 4*least))
	}
}

// send writes requests, over a new connection when there is none.
func (p *prober) send(ctx context.Context, c *probing, b []byte) error {
	if c.conn == nil {
		if err := p.dial(ctx, c); err != nil {
			return p.src.explain(ctx, err)
		}
	}
	_ = c.conn.SetDeadline(time.Now().Add(p.src.silence))
	if _, err := c.conn.Write(b); err != nil {
		c.close()
		return p.src.explain(ctx, err)
	}
	return nil
}

func (p *prober) dial(ctx context.Context, c *probing) error {
	target := p.src.target
	conn, err := p.src.transport.plain.DialContext(ctx, "tcp", target.address)
	if err != nil {
		return err
	}
	if target.https {
		config := p.src.transport.plain.TLSClientConfig.Clone()
		if config.ServerName == "" {
			config.ServerName, _, _ = net.SplitHostPort(target.address)
		}
		secure := tls.Client(conn, config)
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return err
		}
		conn = secure
	}
	c.conn, c.in = conn, bufio.NewReaderSize(conn, 16<<10)
	return nil
}

// receive reads one answer.
func (p *prober) receive(ctx context.Context, c *probing) (index uint64, err error) {
	r, err := readReply(c.in)
	var refused *refusal
	switch {
	case errors.As(err, &refused):
		return 0, p.refused(ctx, refused)
	case err != nil:
		return 0, p.src.explain(ctx, err)
	case r.status == http.StatusTooManyRequests:
		return 0, p.refused(ctx, &refusal{"HTTP status 429: " + p.src.firstLine(r.text)})
	case r.status != http.StatusOK:
		return 0, fmt.Errorf("HTTP status %d: %s", r.status, p.src.firstLine(r.text))
	}
	if r.closes {
		c.close()
	}
	switch {
	case p.src.lags(r.contact):
		return 0, errLags
	case !r.indexed:
		return 0, errors.New("the answer is not Consul's: it has no X-Consul-Index")
	}
	return r.index, nil
}

// refused has the budget shrink: the agent does not take the connections of the prober.
func (p *prober) refused(ctx context.Context, why *refusal) error {
	t := p.src.transport
	return t.shrink(ctx, t.budget.mark(), why)
}
