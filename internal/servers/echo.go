package servers

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// TCPEcho sends back what it reads, on any number of connections.
type TCPEcho struct {
	Addr string // "127.0.0.1:22001"
	Port int

	listener net.Listener
	accepted atomic.Int64
	group    sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]bool
	closed bool
}

// StartTCPEcho starts an echo server on a free port of 127.0.0.1.
func StartTCPEcho() (*TCPEcho, error) {
	listener, port, err := listen()
	if err != nil {
		return nil, fmt.Errorf("start an echo server: %w", err)
	}
	return serveEcho(listener, port), nil
}

func serveEcho(listener net.Listener, port int) *TCPEcho {
	e := &TCPEcho{Addr: loopback(port), Port: port, listener: listener, conns: map[net.Conn]bool{}}
	e.group.Go(e.accept)
	return e
}

func (e *TCPEcho) accept() {
	for {
		conn, err := e.listener.Accept()
		if err != nil { // closed
			return
		}
		e.accepted.Add(1)
		if !e.track(conn) {
			return
		}
		e.group.Go(func() {
			defer e.drop(conn)
			_, _ = io.Copy(conn, conn) // an error is the end of the connection
		})
	}
}

func (e *TCPEcho) track(conn net.Conn) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		conn.Close()
		return false
	}
	e.conns[conn] = true
	return true
}

func (e *TCPEcho) drop(conn net.Conn) {
	conn.Close()
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.conns, conn)
}

// Accepted gives how many connections have been accepted.
func (e *TCPEcho) Accepted() int64 { return e.accepted.Load() }

// Stop closes the listener and all connections.
func (e *TCPEcho) Stop() {
	e.listener.Close()
	e.mu.Lock()
	e.closed = true
	for conn := range e.conns {
		conn.Close()
	}
	e.mu.Unlock()
	e.group.Wait()
}

// TLSEcho is a TCPEcho behind TLS, with a certificate that it has signed itself.
type TLSEcho struct {
	*TCPEcho
	Name  string         // the DNS name in the certificate
	Roots *x509.CertPool // with which a client trusts the certificate
}

// StartTLSEcho starts an echo server for the DNS name on a free port of
// 127.0.0.1.
func StartTLSEcho(name string) (*TLSEcho, error) {
	cert, err := selfSigned(name)
	if err != nil {
		return nil, fmt.Errorf("make a certificate for %s: %w", name, err)
	}
	listener, port, err := listen()
	if err != nil {
		return nil, fmt.Errorf("start a TLS echo server: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert.Leaf)
	listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{cert}})
	return &TLSEcho{TCPEcho: serveEcho(listener, port), Name: name, Roots: roots}, nil
}

// ClientConfig gives what a client needs to verify the server, whatever address
// it dials.
func (e *TLSEcho) ClientConfig() *tls.Config {
	return &tls.Config{RootCAs: e.Roots, ServerName: e.Name}
}

// selfSigned makes a certificate that is good for an hour on either side of now.
func selfSigned(name string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(time.Now().UnixNano()),
		Subject:               pkix.Name{CommonName: name},
		DNSNames:              []string{name},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}
