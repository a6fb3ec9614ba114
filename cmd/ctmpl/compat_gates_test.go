package main

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
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

// newCertificates makes an authority, and one certificate for server and client.
func newCertificates(t *testing.T) certificates {
	t.Helper()
	by := newAuthority(t)
	cert, key := by.pair(t, "consul.test")
	server, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	c := certificates{dir: t.TempDir(), pool: x509.NewCertPool(), server: server}
	c.pool.AddCert(by.cert)
	for name, data := range map[string][]byte{"key.pem": key, "cert.pem": cert, "ca.pem": by.pem, "authorities/ca.pem": by.pem} {
		c.write(t, name, data)
	}
	c.line = strings.ReplaceAll(string(by.pem), "\n", `\n`)
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
