package consul_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ctmpl/ctmpl/watch/consul"
)

// pair is a certificate with its key.
type pair struct {
	cert, key string // PEM
	tls       tls.Certificate
}

// newCert makes a certificate for 127.0.0.1, signed by parent, or an authority.
func newCert(t *testing.T, parent *pair, until time.Time) pair {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "test"},
		NotBefore: until.AddDate(-2, 0, 0), NotAfter: until,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"server.dc1.consul"},
		BasicConstraintsValid: true, IsCA: parent == nil,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	signer, issuer := any(private), template
	if parent != nil {
		signer, issuer = parent.tls.PrivateKey, parent.tls.Leaf
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, &private.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	p := pair{
		cert: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		key:  string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})),
	}
	if p.tls, err = tls.X509KeyPair([]byte(p.cert), []byte(p.key)); err != nil {
		t.Fatal(err)
	}
	return p
}

// file writes a file and gives its path.
func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func inAYear() time.Time { return time.Now().AddDate(1, 0, 0) }

// newTLSAgent is newAgent with HTTPS; nil is a certificate that nobody knows.
func newTLSAgent(t *testing.T, config *tls.Config) *agent {
	t.Helper()
	a := &agent{t: t, replies: map[string][]reply{"/v1/kv/a": {{body: "[]", index: "1"}}}}
	a.server = httptest.NewUnstartedServer(a)
	a.server.TLS = config
	a.server.Config.ErrorLog = quiet()
	a.server.StartTLS()
	t.Cleanup(a.server.Close)
	return a
}

func TestTLS(t *testing.T) {
	t.Parallel()
	ca := newCert(t, nil, inAYear())
	other := newCert(t, nil, inAYear())
	server := newCert(t, &ca, inAYear())
	expired := newCert(t, &ca, time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC))
	client := newCert(t, &ca, inAYear())
	pool := x509.NewCertPool()
	pool.AddCert(ca.tls.Leaf)

	plain := newTLSAgent(t, &tls.Config{Certificates: []tls.Certificate{server.tls}})
	mutual := newTLSAgent(t, &tls.Config{Certificates: []tls.Certificate{server.tls}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert})
	old := newTLSAgent(t, &tls.Config{Certificates: []tls.Certificate{expired.tls}})
	caFile, certFile, keyFile := file(t, "ca.pem", ca.cert), file(t, "cert.pem", client.cert), file(t, "key.pem", client.key)
	yes, no := true, false

	for name, tc := range map[string]struct {
		agent *agent
		tls   consul.TLS
		want  string // the error; "" for none
	}{
		"authority":             {plain, consul.TLS{CACert: caFile}, ""},
		"authority in place":    {plain, consul.TLS{CACertPEM: ca.cert}, ""},
		"directory":             {plain, consul.TLS{CAPath: filepath.Dir(caFile)}, ""},
		"not verified":          {plain, consul.TLS{Verify: &no}, ""},
		"verified":              {plain, consul.TLS{Verify: &yes}, "cannot be reached: tls: failed to verify certificate: x509: certificate signed by unknown authority"},
		"another authority":     {plain, consul.TLS{CACertPEM: other.cert}, "cannot be reached: tls: failed to verify certificate: x509: certificate signed by unknown authority*"},
		"server name":           {plain, consul.TLS{CACert: caFile, ServerName: "server.dc1.consul"}, ""},
		"another server name":   {plain, consul.TLS{CACert: caFile, ServerName: "x.y"}, "cannot be reached: tls: failed to verify certificate: x509: certificate is valid for server.dc1.consul, not x.y"},
		"expired":               {old, consul.TLS{CACert: caFile}, "cannot be reached: the certificate is valid from 2018-01-02T03:04:05Z to 2020-01-02T03:04:05Z"},
		"client certificate":    {mutual, consul.TLS{CACert: caFile, Cert: certFile, Key: keyFile}, ""},
		"no client certificate": {mutual, consul.TLS{CACert: caFile}, "cannot be reached: remote error: tls: certificate required"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.tls.Enabled = &yes
			src := newSource(t, consul.Config{Address: tc.agent.server.Listener.Addr().String(), TLS: tc.tls})
			if tc.want != "" {
				fails(t, src, key("a"), tc.want, true)
				return
			}
			fetch(t, src, key("a"), 0, time.Second)
		})
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		cfg  consul.Config
		want string
	}{
		"scheme":            {consul.Config{Address: "ftp://x:" + secret + "@y"}, "cannot set up the Consul client: Unknown protocol scheme: ftp"},
		"token file":        {consul.Config{TokenFile: "/nonexistent/token"}, "cannot set up the Consul client: Error loading token file /nonexistent/token : open /nonexistent/token: no such file or directory"},
		"authority":         {consul.Config{TLS: consul.TLS{CACert: "/nonexistent/ca"}}, "cannot set up TLS for Consul: *"},
		"half of a pair":    {consul.Config{TLS: consul.TLS{Cert: "/nonexistent/cert"}}, "cannot set up TLS for Consul: both client cert and client key must be provided"},
		"broken authority":  {consul.Config{TLS: consul.TLS{CACertPEM: "nonsense " + secret}}, "cannot set up TLS for Consul: *"},
		"broken key":        {consul.Config{TLS: consul.TLS{Cert: file(t, "c", secret), Key: file(t, "k", secret)}}, "cannot set up TLS for Consul: *"},
		"broken token file": {consul.Config{TokenFile: t.TempDir()}, "cannot set up the Consul client: Error loading token file *"},
	} {
		_, err := consul.New(tc.cfg)
		if err == nil {
			t.Errorf("%s: taken", name)
			continue
		}
		start, prefix := strings.CutSuffix(tc.want, "*")
		if text := err.Error(); text != tc.want && !(prefix && strings.HasPrefix(text, start)) || strings.Contains(text, secret) {
			t.Errorf("%s: got %s\nwant %s", name, err, tc.want)
		}
	}
}

func TestAddr(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"":                                  "localhost:8500",
		"10.0.0.1:8500":                     "10.0.0.1:8500",
		"https://consul:8501/prefix":        "https://consul:8501/prefix",
		"unix:///run/consul.sock":           "unix:///run/consul.sock",
		"unix:///run/a@b.sock":              "unix:///run/a@b.sock",
		"http://u:" + secret + "@c:8500/p@": "http://c:8500/p@",
		"u:" + secret + "@c:8500":           "c:8500",
		secret + "@c:8500":                  "c:8500",
		"http://u:a@" + secret + "@c:8500":  "http://c:8500",
		"https://u:%2f" + secret + "@[::1]": "https://[::1]",
	} {
		if got := newSource(t, consul.Config{Address: given}).Addr(); got != want {
			t.Errorf("%s is shown as %s, want %s", given, got, want)
		}
	}
}

func TestCompression(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"": false, "localhost:8500": false, "http://127.0.0.1:8500/x": false, "https://[::1]:8501": false, "unix:///run/consul.sock": false,
		"127.8.9.1": false, "10.0.0.1:8500": true, "https://consul.example": true, "consul:8500": true,
	} {
		if got := newSource(t, consul.Config{Address: address}).Compresses(); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
}

func TestUserInAddress(t *testing.T) {
	t.Parallel()
	a := newAgent(t, map[string]reply{"/pre/fix/v1/kv/a": {body: "[]"}})
	addr := a.server.Listener.Addr().String()
	for given, want := range map[string]string{
		"http://u:p%40%2fw@" + addr + "/pre/fix": "u:p@/w",
		"http://u@" + addr + "/pre/fix":          "u:",
		"http://" + addr + "/pre/fix":            ":",
	} {
		fetch(t, newSource(t, consul.Config{Address: given}), key("a"), 0, time.Second)
		user, password, _ := (&http.Request{Header: a.headers}).BasicAuth()
		if got := user + ":" + password; got != want {
			t.Errorf("%s: authenticated as %s, want %s", given, got, want)
		}
	}
}

// The environment is that of Consul's own programs; what is configured wins.
func TestEnvironment(t *testing.T) {
	ca := newCert(t, nil, inAYear())
	server, client := newCert(t, &ca, inAYear()), newCert(t, &ca, inAYear())
	pool := x509.NewCertPool()
	pool.AddCert(ca.tls.Leaf)
	a := newTLSAgent(t, &tls.Config{Certificates: []tls.Certificate{server.tls}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert})
	const env = "/v1/kv/a?ns=team&partition=part"
	a.replies[env] = []reply{{body: "[]"}}

	caFile := file(t, "ca.pem", ca.cert)
	for name, value := range map[string]string{
		"CONSUL_HTTP_ADDR": a.server.Listener.Addr().String(), "CONSUL_HTTP_TOKEN": "from the environment", "CONSUL_HTTP_AUTH": "user:pass:word", "CONSUL_HTTP_SSL": "true",
		"CONSUL_CACERT": caFile, "CONSUL_CLIENT_CERT": file(t, "cert.pem", client.cert), "CONSUL_CLIENT_KEY": file(t, "key.pem", client.key),
		"CONSUL_TLS_SERVER_NAME": "server.dc1.consul", "CONSUL_NAMESPACE": "team", "CONSUL_PARTITION": "part",
	} {
		t.Setenv(name, value)
	}
	src := newSource(t, consul.Config{})
	fetch(t, src, key("a"), 0, time.Second)
	a.wants(env)
	user, password, _ := (&http.Request{Header: a.headers}).BasicAuth()
	if token := a.headers.Get("X-Consul-Token"); token != "from the environment" || user != "user" || password != "pass:word" {
		t.Errorf("token %q, user %q, password %q", token, user, password)
	}

	t.Setenv("CONSUL_HTTP_TOKEN_FILE", file(t, "token", "from a file\n"))
	fetch(t, newSource(t, consul.Config{}), key("a"), 0, time.Second)
	if token := a.headers.Get("X-Consul-Token"); token != "from a file" {
		t.Errorf("token %q, want that of CONSUL_HTTP_TOKEN_FILE", token)
	}

	t.Setenv("CONSUL_HTTP_SSL_VERIFY", "false")
	t.Setenv("CONSUL_CACERT", "")
	fetch(t, newSource(t, consul.Config{}), key("a"), 0, time.Second)

	// Security that was configured is not switched off by the environment.
	yes := true
	src = newSource(t, consul.Config{TLS: consul.TLS{Verify: &yes}})
	fails(t, src, key("a"), "cannot be reached: tls: failed to verify certificate: x509: certificate signed by unknown authority", true)
	t.Setenv("CONSUL_HTTP_SSL_VERIFY", "true")
	t.Setenv("CONSUL_CACERT", caFile)
	other := newCert(t, nil, inAYear())
	src = newSource(t, consul.Config{TLS: consul.TLS{CACertPEM: other.cert}})
	fails(t, src, key("a"), "cannot be reached: tls: failed to verify certificate: x509: certificate signed by unknown authority*", true)

	// And the rest is overruled too.
	a.requests()
	b := newAgent(t, map[string]reply{"/v1/kv/a?ns=mine&partition=part": {body: "[]"}})
	no := false
	src = b.source(consul.Config{Token: "mine", Namespace: "mine", Username: "me", Password: "pw", TLS: consul.TLS{Enabled: &no}})
	fetch(t, src, key("a"), 0, time.Second)
	user, password, _ = (&http.Request{Header: b.headers}).BasicAuth()
	if token := b.headers.Get("X-Consul-Token"); token != "mine" || user != "me" || password != "pw" {
		t.Errorf("token %q, user %q, password %q", token, user, password)
	}
	src = b.source(consul.Config{TokenFile: file(t, "mine", "mine too"), Namespace: "mine", TLS: consul.TLS{Enabled: &no}})
	fetch(t, src, key("a"), 0, time.Second)
	if token := b.headers.Get("X-Consul-Token"); token != "mine too" {
		t.Errorf("token %q, want that of the configured file", token)
	}
	a.wants()
}

// counter counts the requests that a server deals with at once, each over a
// connection of its own, and the connections that were made.
type counter struct {
	mu        sync.Mutex
	now, most int
	made      int
}

func (c *counter) request(by int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now += by
	c.most = max(c.most, c.now)
}

func (c *counter) connection(_ net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if state == http.StateNew {
		c.made++
	}
}

// get gives the most requests at once, and the number of connections.
func (c *counter) get() (most, made int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.most, c.made
}

// serve starts an agent that calls before, and then has nothing to say to anything.
func serve(t *testing.T, l net.Listener, before func()) *counter {
	t.Helper()
	c := &counter{}
	var group sync.WaitGroup
	server := &http.Server{ConnState: c.connection, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c.request(1)
		defer c.request(-1)
		before()
		fmt.Fprint(w, "[]")
	})}
	group.Go(func() { _ = server.Serve(l) })
	t.Cleanup(func() { server.Close(); group.Wait() })
	return c
}

func TestConnectionBudget(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "consul.sock")
	for name, tc := range map[string]struct {
		network, addr string
		transport     consul.Transport
		most          int
	}{
		"tcp":           {"tcp", "127.0.0.1:0", consul.Transport{}, 10},
		"unix":          {"unix", socket, consul.Transport{}, 10},
		"fewer":         {"tcp", "127.0.0.1:0", consul.Transport{MaxConnsPerHost: 3}, 3},
		"more":          {"tcp", "127.0.0.1:0", consul.Transport{MaxConnsPerHost: 30, MaxIdleConnsPerHost: 30}, 10},
		"no keep-alive": {"tcp", "127.0.0.1:0", consul.Transport{DisableKeepAlives: true}, 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen(tc.network, tc.addr)
			if err != nil {
				t.Fatal(err)
			}
			count := serve(t, l, func() {})
			addr := l.Addr().String()
			if tc.network == "unix" {
				addr = "unix://" + addr
			}
			src := newSource(t, consul.Config{Address: addr, Connections: 10, Transport: tc.transport})
			ctx, cancel := context.WithTimeout(t.Context(), deadline)
			defer cancel()
			var group sync.WaitGroup
			for range 50 {
				group.Go(func() {
					for range 10 {
						if _, err := src.Fetch(ctx, lookup("a"), 0, time.Second); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			group.Wait()
			most, made := count.get()
			if most > tc.most {
				t.Errorf("%d requests at once, want at most %d", most, tc.most)
			}
			if tc.transport.DisableKeepAlives != (made == 500) || made > 100 && made < 500 {
				t.Errorf("%d connections for 500 requests", made)
			}
		})
	}
}

// The budget is not only kept when answers come quickly.
func TestConnectionBudgetOfSlowAnswers(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	release, started := make(chan struct{}), make(chan struct{}, 100)
	count := serve(t, l, func() { started <- struct{}{}; <-release })
	src := newSource(t, consul.Config{Address: l.Addr().String(), Connections: 4})
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	var group sync.WaitGroup
	for range 12 {
		group.Go(func() {
			if _, err := src.Fetch(ctx, lookup("a"), 0, time.Second); err != nil {
				t.Error(err)
			}
		})
	}
	for range 4 {
		await(t, started)
	}
	close(release)
	group.Wait()
	if most, _ := count.get(); most != 4 {
		t.Errorf("%d requests at once, want 4", most)
	}
}
