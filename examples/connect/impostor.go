package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"sync/atomic"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// stolen is what an impostor answers.
const stolen = "stolen"

// impostor is a server that says in the catalog that it is socat.
type impostor struct {
	id       string
	asked    atomic.Int64 // connections so far
	believed atomic.Int64 // those that have sent it something
}

// pretend starts an impostor with a certificate, and registers it.
func (w *world) pretend(ctx context.Context, id string, cert tls.Certificate) (*impostor, error) {
	port, err := servers.FreePort()
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil, err
	}
	w.cleanup(listener.Close)
	i := &impostor{id: id}
	go i.accept(listener, &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAnyClientCert})
	return i, w.register(ctx, &api.AgentServiceRegistration{
		Kind: api.ServiceKindConnectProxy, ID: id, Name: id, Address: "127.0.0.1", Port: port,
		Proxy: &api.AgentServiceConnectProxyConfig{DestinationServiceName: "socat"},
	})
}

// accept ends with the listener.
func (i *impostor) accept(listener net.Listener, config *tls.Config) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		i.asked.Add(1)
		go i.serve(tls.Server(conn, config))
	}
}

func (i *impostor) serve(conn *tls.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(sessionTime))
	if n, _ := conn.Read(make([]byte, 100)); n > 0 {
		i.believed.Add(1)
		fmt.Fprintln(conn, stolen)
	}
}

// gone takes it out of the catalog.
func (w *world) gone(ctx context.Context, i *impostor) error {
	return w.consul.Client.Agent().ServiceDeregisterOpts(i.id, (&api.QueryOptions{}).WithContext(ctx))
}

// newKey makes a key for a certificate authority, as PEM.
func newKey() (string, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	return string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})), key, err
}

// selfSigned makes a certificate that says what a leaf says, by itself.
func selfSigned(like tls.Certificate) (tls.Certificate, error) {
	_, key, err := newKey()
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), URIs: like.Leaf.URIs, NotBefore: like.Leaf.NotBefore, NotAfter: like.Leaf.NotAfter,
		KeyUsage: like.Leaf.KeyUsage, ExtKeyUsage: like.Leaf.ExtKeyUsage,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
