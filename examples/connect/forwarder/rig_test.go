package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// patience bounds what has to happen at once.
const patience = 30 * time.Second

// rig is a forwarder that follows files, as the service web.
type rig struct {
	t    *testing.T
	dir  string
	ca   *authority
	log  *journal
	stop func()
}

func newRig(t *testing.T, timeout time.Duration) *rig {
	t.Helper()
	dir, err := os.MkdirTemp("", "fwd") // short: the path of a socket has at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, dir: dir, ca: newAuthority(t), log: &journal{}}
	r.write("web.pem", asPEM(t, r.ca.leaf(member("web"))))
	r.write("roots.pem", rootsPEM(r.ca))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	o := options{cert: r.path("web.pem"), roots: r.path("roots.pem"), sockets: r.path("run"), timeout: timeout, routes: []string{r.path("a.routes"), r.path("b.routes")}}
	go func() { done <- follow(ctx, o, slog.New(slog.NewTextHandler(r.log, nil))) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		r.stop()
		_ = os.RemoveAll(dir)
		if strings.Contains(r.log.text(), "PRIVATE") {
			t.Error("the log holds a key")
		}
	})
	r.log.await(t, "we are "+spiffe(trust, "web").String())
	return r
}

func (r *rig) path(name string) string { return filepath.Join(r.dir, name) }

// write replaces a file as ctmpl does.
func (r *rig) write(name, text string) {
	r.t.Helper()
	err := os.WriteFile(r.path("new"), []byte(text), 0o600)
	if err == nil {
		err = os.Rename(r.path("new"), r.path(name))
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// open leads a socket to the address for a service.
func (r *rig) open(service, addr string) route {
	r.t.Helper()
	r.write("a.routes", service+" "+addr+"\n")
	r.log.await(r.t, "msg=open service="+service+" address="+addr)
	return route{service, addr}
}

// dial connects as nginx does.
func (r *rig) dial(to route) (*session, error) {
	conn, err := net.Dial("unix", to.socket(r.path("run")))
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	if err := secure.Handshake(); err != nil {
		conn.Close()
		return nil, err
	}
	r.t.Cleanup(func() { conn.Close() })
	return &session{secure, bufio.NewReader(secure)}, nil
}

// session is a connection to what echoes.
type session struct {
	*tls.Conn
	reader *bufio.Reader
}

func (s *session) echo(line string) error {
	_ = s.SetDeadline(time.Now().Add(patience))
	if _, err := fmt.Fprintln(s, line); err != nil {
		return err
	}
	got, err := s.reader.ReadString('\n')
	if err == nil && got != line+"\n" {
		err = fmt.Errorf("the echo of %q is %q", line, got)
	}
	return err
}

// try is a connection of one line.
func (r *rig) try(to route) error {
	s, err := r.dial(to)
	if err != nil {
		return err
	}
	defer s.Close()
	return s.echo("hello")
}

// instance is a sidecar: it wants a certificate of the client, and echoes.
type instance struct {
	addr     string
	listener net.Listener

	mu      sync.Mutex
	cert    tls.Certificate
	roots   *x509.CertPool
	clients []*x509.Certificate // those it has seen
	bytes   int64
}

func newInstance(t *testing.T, ca *authority, cert tls.Certificate) *instance {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	i := &instance{addr: listener.Addr().String(), listener: listener}
	i.is(cert, ca)
	go i.accept()
	t.Cleanup(func() { listener.Close() })
	return i
}

// is sets who it is and whom it trusts.
func (i *instance) is(cert tls.Certificate, trusted ...*authority) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.cert, i.roots = cert, x509.NewCertPool()
	for _, a := range trusted {
		i.roots.AddCert(a.cert)
	}
}

func (i *instance) accept() {
	for {
		conn, err := i.listener.Accept()
		if err != nil {
			return
		}
		go i.serve(conn)
	}
}

func (i *instance) serve(conn net.Conn) {
	defer conn.Close()
	i.mu.Lock()
	secure := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{i.cert}, ClientCAs: i.roots, ClientAuth: tls.RequireAndVerifyClientCert})
	i.mu.Unlock()
	if secure.Handshake() != nil {
		return
	}
	i.mu.Lock()
	i.clients = append(i.clients, secure.ConnectionState().PeerCertificates[0])
	i.mu.Unlock()
	n, _ := io.Copy(secure, secure)
	i.mu.Lock()
	i.bytes += n
	i.mu.Unlock()
	_ = secure.Close()
}

// client gives the last client that it has seen.
func (i *instance) client() *x509.Certificate {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.clients[len(i.clients)-1]
}

// received gives how many bytes connections that are over have brought.
func (i *instance) received() int64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.bytes
}

// journal keeps what is logged.
type journal struct {
	mu  sync.Mutex
	all strings.Builder
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.all.Write(p)
}

func (j *journal) text() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.all.String()
}

func (j *journal) await(t *testing.T, text string) {
	t.Helper()
	servers.Eventually(t, patience, func() error {
		if !strings.Contains(j.text(), text) {
			return errors.New("the log does not say " + text + ":\n" + j.text())
		}
		return nil
	})
}
