package consul

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// connected gives both ends of a connection.
func connected(t *testing.T) (near, far *net.TCPConn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	c, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	other, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Close()
		_ = other.Close()
	})
	return c.(*net.TCPConn), other.(*net.TCPConn)
}

// readable is the reading side of a socket.
type readable struct{ *socket }

func (r readable) Read(b []byte) (int, error) { return r.read(b) }

// What is more than the system takes at once arrives all the same, however much is expected at a time.
func TestSocketCarriesAll(t *testing.T) {
	t.Parallel()
	near, far := connected(t)
	text := bytes.Repeat([]byte("0123456789abcdef"), 1<<19) // 8 MiB
	sent := make(chan error, 1)
	go func() {
		n, err := socketOf(near).write(text)
		if err == nil && n != len(text) {
			err = io.ErrShortWrite
		}
		sent <- errors.Join(err, near.CloseWrite())
	}()
	s := socketOf(far)
	var got bytes.Buffer
	for piece := 1; ; piece = piece * 3 % 10007 {
		s.expect(piece)
		if _, err := io.CopyN(&got, readable{s}, int64(piece)); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		s.expect(1)
	}
	if err := <-sent; err != nil || !bytes.Equal(got.Bytes(), text) {
		t.Errorf("%d of %d bytes arrived: %v", got.Len(), len(text), err)
	}
}

// Errors are those of the net package.
func TestSocketErrors(t *testing.T) {
	t.Parallel()
	b := make([]byte, 8)
	for name, c := range map[string]struct {
		do   func(near, far *net.TCPConn) (int, error)
		want error
	}{
		"deadline": {func(near, _ *net.TCPConn) (int, error) {
			_ = near.SetReadDeadline(time.Now().Add(time.Millisecond))
			return socketOf(near).read(b)
		}, os.ErrDeadlineExceeded},
		"ended": {func(near, far *net.TCPConn) (int, error) {
			_ = far.Close()
			return socketOf(near).read(b)
		}, io.EOF},
		"reset": {func(near, far *net.TCPConn) (int, error) {
			_ = far.SetLinger(0)
			_ = far.Close()
			return socketOf(near).read(b)
		}, syscall.ECONNRESET},
		"closed": {func(near, _ *net.TCPConn) (int, error) {
			s := socketOf(near)
			_ = near.Close()
			return s.read(b)
		}, net.ErrClosed},
		"written to none": {func(near, far *net.TCPConn) (int, error) {
			s := socketOf(near)
			_ = far.SetLinger(0)
			_ = far.Close()
			_, _ = s.read(b) // which takes the reset
			return s.write(b)
		}, syscall.EPIPE},
		"written when closed": {func(near, _ *net.TCPConn) (int, error) {
			s := socketOf(near)
			_ = near.Close()
			return s.write(b)
		}, net.ErrClosed},
	} {
		near, far := connected(t)
		n, err := c.do(near, far)
		var op *net.OpError
		if n != 0 || !errors.Is(err, c.want) || c.want != io.EOF && !errors.As(err, &op) {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
}

// A connection without a file descriptor is used as it is.
func TestSocketOfAPipe(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	go func() {
		_, _ = socketOf(far).write([]byte("hello"))
		_ = far.Close()
	}()
	s := socketOf(near)
	s.expect(3)
	if got, err := io.ReadAll(readable{s}); string(got) != "hello" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestLengthsOfAnswers(t *testing.T) {
	var l lengths
	if n := l.gathered([]string{"a", "b"}); n != 1 {
		t.Errorf("%d bytes are there when nothing is known", n)
	}
	l.learn([]string{"a", "b", "c"}, []int{500, 600, 700})
	for _, c := range []struct {
		names []string
		want  int
	}{
		{[]string{"a", "b"}, 500 + 600 - 300},
		{[]string{"c"}, 350},
		{[]string{"new", "c"}, 500 + 700 - 350}, // at least as much as the shortest
	} {
		if n := l.gathered(c.names); n != c.want {
			t.Errorf("%q: %d bytes, want %d", c.names, n, c.want)
		}
	}
	l.learn([]string{"b", "never answered"}, []int{100})
	if n := l.gathered([]string{"b", "b"}); n != 150 {
		t.Errorf("%d bytes after it is another one", n)
	}
}
