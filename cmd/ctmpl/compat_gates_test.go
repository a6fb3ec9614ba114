package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// newGates puts servers in front of an agent that ask for something first, and gives
// the variables of the cases:
//
//	@ADDR@   the agent itself
//	@AUTH@   asks for user:pass
//	@TOKEN@  asks for the token "secret"
//	@TLS@    HTTPS, as 127.0.0.1 and as consul.test
//	@MTLS@   HTTPS that asks for a certificate of the client
//	@CERTS@  a directory with ca.pem, cert.pem and key.pem of a client, and authorities/ca.pem
//	@PEM@    ca.pem in one line, for a string
func newGates(t *testing.T, addr string) []string {
	t.Helper()
	certs := newCertificates(t)
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: addr})
	nowhere := log.New(io.Discard, "", 0)
	proxy.ErrorLog = nowhere
	plain := func(allowed func(*http.Request) bool) string {
		s := httptest.NewServer(gate(proxy, allowed))
		t.Cleanup(s.Close)
		return s.Listener.Addr().String()
	}
	secure := func(auth tls.ClientAuthType) string {
		s := httptest.NewUnstartedServer(proxy)
		s.Config.ErrorLog = nowhere
		s.TLS = &tls.Config{Certificates: []tls.Certificate{certs.server}, ClientAuth: auth, ClientCAs: certs.pool}
		s.StartTLS()
		t.Cleanup(s.Close)
		return s.Listener.Addr().String()
	}
	return []string{
		"@ADDR@", addr,
		"@AUTH@", plain(func(r *http.Request) bool {
			user, password, ok := r.BasicAuth()
			return ok && user == "user" && password == "pa:ss"
		}),
		"@TOKEN@", plain(func(r *http.Request) bool {
			ok := r.Header.Get("X-Consul-Token") == "secret"
			r.Header.Del("X-Consul-Token")
			return ok
		}),
		"@TLS@", secure(tls.NoClientCert),
		"@MTLS@", secure(tls.RequireAndVerifyClientCert),
		"@CERTS@", certs.dir,
		"@PEM@", certs.line,
	}
}

func gate(next http.Handler, allowed func(*http.Request) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !allowed(r) {
			http.Error(w, "not for you", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// certificates are an authority, and what it has signed.
type certificates struct {
	dir    string
	line   string
	server tls.Certificate
	pool   *x509.CertPool
}

// newCertificates makes one certificate that is authority, server and client at once.
func newCertificates(t *testing.T) certificates {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "consul.test"},
		DNSNames: []string{"consul.test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, text, text, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	c := certificates{dir: t.TempDir(), pool: x509.NewCertPool(), server: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	c.pool.AppendCertsFromPEM(cert)
	c.write(t, "key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
	for _, name := range []string{"ca.pem", "cert.pem", "authorities/ca.pem"} {
		c.write(t, name, cert)
	}
	c.line = strings.ReplaceAll(string(cert), "\n", `\n`)
	return c
}

func (c certificates) write(t *testing.T, name string, data []byte) {
	t.Helper()
	path := filepath.Join(c.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
