package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"sync"
	"time"
)

// join passes on what either side says. When one has said all, the other may still
// answer; when one breaks, both are over.
func join(a, b *tls.Conn) {
	var group sync.WaitGroup
	group.Go(func() { pass(a, b) })
	group.Go(func() { pass(b, a) })
	group.Wait()
}

func pass(to, from *tls.Conn) {
	if _, err := io.Copy(to, from); err != nil || to.CloseWrite() != nil {
		// Without TLS's farewell: what was cut off looks like it.
		to.NetConn().Close()
		from.NetConn().Close()
	}
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
