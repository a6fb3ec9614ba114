package consul

import (
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// socket reads and writes as a connection does, but does not tell Go's scheduler of system calls that may take
// long, as these do not. The first such call after all was at rest wakes a thread that looks after them, and sleeps for
// 20 µs over and over as long as something runs (Go 1.26, runtime.sysmon). Where the answers are many and small, that
// costs as much as they do.
type socket struct {
	conn net.Conn
	raw  syscall.RawConn // nil where conn has none
	// wanted is how many bytes have to have arrived to wake a read, set how many the system was told.
	wanted, set atomic.Int64
}

func socketOf(c net.Conn) *socket {
	s := &socket{conn: c}
	s.set.Store(1)
	s.expect(1)
	if has, ok := c.(syscall.Conn); ok {
		s.raw, _ = has.SyscallConn()
	}
	return s
}

// expect has a read that has to wait be woken when so many bytes have arrived, at least one. More than one
// are a hint, which is not kept to where that cannot be.
func (s *socket) expect(bytes int) { s.wanted.Store(int64(bytes)) }

// read is Read of the connection.
func (s *socket) read(b []byte) (n int, err error) {
	if s.raw == nil || len(b) == 0 {
		return s.conn.Read(b)
	}
	waited := s.raw.Read(func(fd uintptr) bool {
		n, err = transfer(syscall.SYS_READ, fd, b)
		if err == syscall.EAGAIN && s.tell(fd) {
			n, err = transfer(syscall.SYS_READ, fd, b) // of what came before it was told
		}
		if err == nil {
			afterRead(fd)
		}
		return err != syscall.EAGAIN
	})
	switch {
	case waited != nil:
		return 0, waited
	case err != nil:
		return 0, s.failed("read", err)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// write is Write of the connection.
func (s *socket) write(b []byte) (sent int, err error) {
	if s.raw == nil {
		return s.conn.Write(b)
	}
	waited := s.raw.Write(func(fd uintptr) bool {
		beforeWrite(fd)
		for err = nil; err == nil && sent < len(b); {
			var n int
			n, err = transfer(syscall.SYS_WRITE, fd, b[sent:])
			sent += n
		}
		return err != syscall.EAGAIN
	})
	switch {
	case waited != nil:
		return sent, waited
	case err != nil:
		return sent, s.failed("write", err)
	}
	return sent, nil
}

// tell tells the system how many bytes are waited for, if it does not know.
func (s *socket) tell(fd uintptr) (told bool) {
	wanted := s.wanted.Load()
	if s.set.Swap(wanted) == wanted {
		return false
	}
	value := int32(wanted)
	_, _, _ = syscall.RawSyscall6(syscall.SYS_SETSOCKOPT, fd, syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, uintptr(unsafe.Pointer(&value)), unsafe.Sizeof(value), 0)
	return true
}

// transfer reads into b, or writes it. The file descriptor is one that does not block.
func transfer(call, fd uintptr, b []byte) (int, error) {
	for {
		n, _, failed := syscall.RawSyscall(call, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		switch failed {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		default:
			return 0, failed
		}
	}
}

// failed is the error as the net package has it.
func (s *socket) failed(op string, err error) error {
	near, far := s.conn.LocalAddr(), s.conn.RemoteAddr()
	return &net.OpError{Op: op, Net: near.Network(), Source: near, Addr: far, Err: os.NewSyscallError(op, err)}
}
