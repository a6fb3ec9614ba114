package consul

import (
	"context"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// gatherTime is how long answers may take to gather. It is enough for a batch, unless they are smaller
// than those before, or the agent is slow.
const gatherTime = 100 * time.Millisecond

// gather waits until so many bytes are there: to be woken for each of the answers costs more than to read
// it.
func (c *probing) gather(ctx context.Context, bytes int, deadline time.Time) {
	if c.wake == nil || bytes <= 1 || c.in.Buffered() > 0 {
		return
	}
	c.wake(bytes)
	_ = c.conn.SetReadDeadline(time.Now().Add(gatherTime))
	if ctx.Err() == nil { // else it ends now, see endWith
		_, _ = c.in.Peek(1) // whatever is wrong shows when the answer is read
	}
	_ = c.conn.SetReadDeadline(deadline)
	if ctx.Err() != nil {
		_ = c.conn.SetReadDeadline(time.Unix(1, 0))
	}
	c.wake(1)
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

// size is the least that an answer of one kind had, in bytes; 0 while that is not known.
type size struct{ least atomic.Int64 }

// learn takes in the size of an answer, which is 0 when it is not known.
func (s *size) learn(bytes int) {
	if least := s.least.Load(); bytes > 0 && (least == 0 || int64(bytes) < least) {
		s.least.Store(int64(bytes)) // of two at the same time either will do
	}
}

// of is how much has to be there so that of so many answers all but the last are, and the last has begun.
func (s *size) of(answers int) int { return (answers-1)*int(s.least.Load()) + 1 }
