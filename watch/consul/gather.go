package consul

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// gatherTime is how long answers may take to gather. It is enough for a batch, unless they are smaller
// than those before, or the agent is slow.
const gatherTime = 100 * time.Millisecond

// gather waits until so many bytes are there, or some time has passed: to be woken for each of the answers
// costs more than to read it.
func (c *probing) gather(ctx context.Context, bytes int, deadline time.Time) error {
	if c.wake == nil || bytes <= 1 || c.in.Buffered() > 0 {
		return nil
	}
	c.wake(bytes)
	defer c.wake(1)
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

// wakes gives a function that sets how many bytes have to have arrived to wake who waits for some, nil
// where that cannot be set.
func wakes(c net.Conn) func(bytes int) {
	counted, ok := c.(*conn)
	if !ok { // what arrives is encrypted
		return nil
	}
	socket, ok := counted.Conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil
	}
	return func(bytes int) {
		_ = raw.Control(func(fd uintptr) {
			_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, bytes)
		})
	}
}

// sizes are those of the answers of a batch, in bytes.
type sizes struct {
	least   int
	unknown bool // one of them
	count   int
}

func (s *sizes) add(bytes int) {
	if s.unknown = s.unknown || bytes == 0; s.count == 0 || bytes < s.least {
		s.least = bytes
	}
	s.count++
}

// size is the least that an answer of one kind had in the last batch, in bytes; 0 when that is not known.
type size struct{ least atomic.Int64 }

// learn takes in a batch. One answer alone has nothing to gather with.
func (s *size) learn(batch sizes) {
	if batch.unknown {
		batch.least = 0
	}
	if batch.count > 1 {
		s.least.Store(int64(batch.least))
	}
}

// of is how much has to be there so that of so many answers all but the last are, and the last has begun.
func (s *size) of(answers int) int { return (answers-1)*int(s.least.Load()) + 1 }
