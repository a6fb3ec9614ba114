package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"sync"
	"time"
)

// join passes on what either side says. When one has said all, the other may still
// answer; when one breaks, both are over. The error is what the instance has to say
// against us.
func join(in, out *tls.Conn) error {
	var group sync.WaitGroup
	var answer error
	group.Go(func() { answer = pass(in, out) })
	group.Go(func() { _ = pass(out, in) })
	group.Wait()
	var alert *net.OpError
	if errors.As(answer, &alert) && alert.Op == "remote error" { // of TLS, which has no other name for it
		return alert
	}
	return nil
}

func pass(to, from *tls.Conn) error {
	_, err := io.Copy(to, from)
	if err != nil || to.CloseWrite() != nil {
		// Without TLS's farewell: what was cut off looks like it.
		to.NetConn().Close()
		from.NetConn().Close()
	}
	return err
}

// ownCertificate makes a certificate for the handshake with nginx. It proves nothing:
// the permissions of the socket do.
func ownCertificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().AddDate(100, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
