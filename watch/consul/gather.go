package consul

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"sync"
	"time"
)

// gatherTime is how long answers may take to gather. It is enough for a batch, unless they are smaller
// than those before, or the agent is slow.
const gatherTime = 500 * time.Millisecond

// gather waits until so many bytes are there, or some time has passed: to be woken for each of the answers
// costs more than to read it.
func (c *probing) gather(ctx context.Context, bytes int, deadline time.Time) error {
	c.socket.expect(bytes)
	defer c.socket.expect(1)
	_ = c.conn.SetReadDeadline(time.Now().Add(gatherTime))
	if ctx.Err() != nil { // which may have set another deadline before, see endWith
		return ctx.Err()
	}
	_, err := c.in.Peek(1)
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF // as net/http has it
	}
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	_ = c.conn.SetReadDeadline(deadline)
	return ctx.Err()
}

// mostLengths bounds the answers of which it is known how long they were.
const mostLengths = 1 << 16

// lengths are those of the last answers, by what was asked, in bytes. They hardly ever change. Its functions
// may be called by several goroutines.
type lengths struct {
	mu    sync.Mutex
	of    map[string]int
	least int // in the last batch; 0 when that is not known
}

// gathered is how much there is when all of these answers are there but for a part of the last one.
func (l *lengths) gathered(names []string) (bytes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := 0
	for _, name := range names {
		if last = l.of[name]; last == 0 {
			last = l.least
		}
		bytes += last
	}
	return max(1, bytes-last/2)
}

// learn takes in the answers of a batch. A length of 0 is not known.
func (l *lengths) learn(names []string, bytes []int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of == nil || len(l.of) > mostLengths {
		l.of = map[string]int{}
	}
	for i, n := range bytes {
		if l.of[names[i]] != n {
			l.of[names[i]] = n
		}
	}
	if len(bytes) > 0 {
		l.least = slices.Min(bytes)
	}
}
