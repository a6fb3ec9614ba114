package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{}
	a.cert, a.key, a.pem = issue(t, "authority", nil)
	return a
}

// issue makes a certificate, signed by an authority or, without one, by itself.
func issue(t *testing.T, name string, by *authority) (*x509.Certificate, *ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, BasicConstraintsValid: true, IsCA: by == nil,
	}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// pair gives certificate and key of a name, as text.
func (a *authority) pair(t *testing.T, name string) (cert, key []byte) {
	t.Helper()
	_, private, cert := issue(t, name, a)
	der, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return cert, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
}

// secureAgent answers each key with the name in the client's certificate, and holds
// blocking queries.
type secureAgent struct {
	*httptest.Server
	cert atomic.Pointer[tls.Certificate]
}

func runSecureAgent(t *testing.T, clients *authority) *secureAgent {
	t.Helper()
	a := &secureAgent{}
	a.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("index") != "" {
			<-r.Context().Done()
			return
		}
		name := r.TLS.PeerCertificates[0].Subject.CommonName
		w.Header().Set("X-Consul-Index", "1")
		fmt.Fprintf(w, `[{"Key": "k", "Value": %q}]`, base64.StdEncoding.EncodeToString([]byte(name)))
	}))
	pool := x509.NewCertPool()
	pool.AddCert(clients.cert)
	a.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool, Certificates: []tls.Certificate{*a.cert.Load()}}, nil
	}}
	a.Config.ErrorLog = log.New(io.Discard, "", 0)
	return a
}

func (a *secureAgent) use(t *testing.T, by *authority) {
	t.Helper()
	cert, err := tls.X509KeyPair(by.pair(t, "agent"))
	if err != nil {
		t.Fatal(err)
	}
	a.cert.Store(&cert)
}

// Certificates that are renewed in their files are used at once: the client's, and
// that of the authority.
func TestCertificatesAreReadAgain(t *testing.T) {
	t.Parallel()
	old, renewed := newAuthority(t), newAuthority(t)
	agent := runSecureAgent(t, old)
	agent.use(t, old)
	agent.StartTLS()
	t.Cleanup(func() { agent.CloseClientConnections(); agent.Close() })
	dir := t.TempDir()
	put := func(name string, data []byte) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path+"~", data, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+"~", path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cert, key := old.pair(t, "first")
	f := follow(t, agent.URL, `{{ key "k" }}`, "-retry", "10ms",
		"-consul-ssl-ca-cert", put("ca.pem", old.pem), "-consul-ssl-cert", put("cert.pem", cert), "-consul-ssl-key", put("key.pem", key))
	f.expect("first")

	cert, key = old.pair(t, "second")
	put("cert.pem", cert)
	f.logged("token or certificate not used: the last good one stays") // its key is to come
	put("key.pem", key)
	f.expect("second")

	agent.use(t, renewed)
	agent.CloseClientConnections()
	f.logged("cannot be reached")
	put("ca.pem", renewed.pem)
	cert, key = old.pair(t, "third")
	put("cert.pem", cert)
	put("key.pem", key)
	f.expect("third")
}
