package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// forwarder listens on the sockets of routes.
type forwarder struct {
	identity atomic.Pointer[identity] // nil: not known yet

	dir     string
	timeout time.Duration
	log     *slog.Logger
	local   tls.Certificate // what we show to nginx
	ctx     context.Context // of all connections
	cancel  context.CancelFunc
	group   sync.WaitGroup
	open    map[route]net.Listener // of the goroutine that calls set and stop
}

// newForwarder makes one that listens nowhere yet. The directory is made for us alone
// when it is not there.
func newForwarder(dir string, timeout time.Duration, log *slog.Logger) (*forwarder, error) {
	local, err := ownCertificate()
	if err != nil {
		return nil, fmt.Errorf("make a certificate for nginx: %w", err)
	}
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	f := &forwarder{dir: dir, timeout: timeout, log: log, local: local, open: map[route]net.Listener{}}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	return f, nil
}

// makeDir makes the directory where there is none. Who may write to one can put his own
// sockets in the place of ours.
func makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err == nil && info.Mode().Perm()&0o002 != 0 {
		err = fmt.Errorf("%s is a directory that everybody may write to, and put sockets in the place of ours: chmod o-w it", dir)
	}
	return err
}

// set makes these the routes. Connections of one that is gone live on.
func (f *forwarder) set(wanted map[route]bool) {
	for r, listener := range f.open {
		if !wanted[r] {
			listener.Close()
			delete(f.open, r)
			f.log.Info("closed", "service", r.service, "address", r.address)
		}
	}
	for r := range wanted {
		if f.open[r] != nil {
			continue
		}
		listener, err := listen(r.socket(f.dir))
		if err != nil {
			f.log.Error("cannot listen for an instance: it gets no connections", "service", r.service, "address", r.address, "error", err)
			continue
		}
		f.open[r] = listener
		f.group.Go(func() { f.accept(r, listener) })
		f.log.Info("open", "service", r.service, "address", r.address)
	}
}

// listen listens on a socket, also where one that has been killed has left its own.
func listen(path string) (net.Listener, error) {
	listener, err := net.Listen("unix", path)
	if !errors.Is(err, syscall.EADDRINUSE) {
		return listener, err
	}
	conn, failed := net.Dial("unix", path)
	if failed == nil {
		conn.Close()
	}
	if !errors.Is(failed, syscall.ECONNREFUSED) { // one that is busy refuses nobody, but has no place for us
		return nil, errors.New(path + " is in use by another forwarder")
	}
	if err := os.Remove(path); err != nil {
		return nil, err
	}
	return net.Listen("unix", path)
}

// accept takes connections until the listener is closed.
func (f *forwarder) accept(r route, listener net.Listener) {
	for {
		conn, err := listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // such as too many open files
			f.log.Error("cannot accept", "service", r.service, "address", r.address, "error", err)
			select {
			case <-f.ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		default:
			f.group.Go(func() { f.serve(r, conn) })
		}
	}
}

// serve leads a connection to its instance.
func (f *forwarder) serve(r route, conn net.Conn) {
	defer conn.Close()
	in, out, err := f.connect(r, conn)
	if err != nil {
		f.log.Warn("refused", "service", r.service, "address", r.address, "reason", err)
		return
	}
	defer out.Close()
	forget := context.AfterFunc(f.ctx, func() { conn.Close(); out.NetConn().Close() })
	defer forget()
	if err := join(in, out); err != nil { // such as an intention that denies us
		f.log.Warn("ended by the instance", "service", r.service, "address", r.address, "reason", err)
	}
}

// connect does both handshakes: that with nginx waits for the one with the instance.
func (f *forwarder) connect(r route, conn net.Conn) (in, out *tls.Conn, err error) {
	ctx, cancel := context.WithTimeout(f.ctx, f.timeout)
	defer cancel()
	in = tls.Server(conn, &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		var err error
		out, err = f.dial(ctx, r)
		return &tls.Config{Certificates: []tls.Certificate{f.local}, SessionTicketsDisabled: true}, err
	}})
	err = in.HandshakeContext(ctx)
	if err != nil && out != nil {
		out.Close()
	}
	return in, out, err
}

// dial connects to the instance as who we are now.
func (f *forwarder) dial(ctx context.Context, r route) (*tls.Conn, error) {
	id := f.identity.Load()
	if id == nil {
		return nil, errors.New("our own certificate is not there yet")
	}
	conn, err := (&tls.Dialer{Config: id.client(r.service)}).DialContext(ctx, "tcp", r.address)
	if err != nil {
		return nil, err
	}
	return conn.(*tls.Conn), nil
}

// stop ends all connections.
func (f *forwarder) stop() {
	f.set(nil)
	f.cancel()
	f.group.Wait()
}
