package main

import (
	"bufio"

	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"

	"strings"

	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// live is a gateway with a real Consul, nginx and ctmpl.
type live struct {
	*gateway
	consul *servers.Consul
	ctmpl  *follower
}

func (l *live) register(s *api.AgentServiceRegistration) {
	l.t.Helper()
	s.Address = "127.0.0.1"
	if s.Check == nil {
		s.Check = &api.AgentServiceCheck{CheckID: s.ID + "-alive", TTL: "1h", Status: "passing"}
	}
	if err := l.consul.Client.Agent().ServiceRegister(s); err != nil {
		l.t.Fatal(err)
	}
}

// asked gives status and body of what answers for a host, over a connection of its own.
func (l *live) asked(host, path string) string {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	req, err := http.NewRequest("GET", fmt.Sprintf("http://127.0.0.1:%d%s", l.ports["http"], path), nil)
	if err != nil {
		return err.Error()
	}
	req.Host = host
	resp, err := client.Do(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode == http.StatusOK {
		return strings.TrimSpace(string(body))
	}
	return fmt.Sprint(resp.StatusCode)
}

func (l *live) eventually(host, path, want string) {
	l.t.Helper()
	servers.Eventually(l.t, 30*time.Second, func() error {
		if got := l.asked(host, path); got != want {
			return fmt.Errorf("%s%s gives %q, want %q", host, path, got, want)
		}
		return nil
	})
}

// echoed sends a line and gives what comes back.
func echoed(conn net.Conn, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(conn, "hello\n"); err != nil {
		return "", err
	}
	return bufio.NewReader(conn).ReadString('\n')
}

// start starts nginx with the output of ctmpl, which runs once before, and then ctmpl.
func (l *live) start(args ...string) {
	l.t.Helper()
	args = append(args, "-consul-addr", l.consul.HTTPAddr)
	l.run(append(args, "-once", "-state-dir", "none")...)
	conf := l.path("nginx.conf")
	nginx := servers.RunNginx(l.t, l.dir, conf)
	reload := fmt.Sprintf("kill -HUP %d", nginx.PID())
	for i, arg := range args {
		if strings.HasPrefix(arg, "@nginx/") {
			args[i] = arg + ":" + reload
		}
	}
	l.ctmpl = runIn(l.t, l.dir, append(args, "-state-dir", l.path("state"))...)
	l.ctmpl.logged("started")
}

// One command makes a gateway, and what is registered decides what it does.
func TestShippedGateway(t *testing.T) {
	t.Parallel()
	l := &live{gateway: newGateway(t), consul: servers.RunConsul(t, servers.ConsulOptions{})}
	one, two := servers.RunHTTPBackend(t, "one"), servers.RunHTTPBackend(t, "two")
	echo, secret := servers.RunTCPEcho(t), servers.RunTLSEcho(t, "secret.test")
	l.register(&api.AgentServiceRegistration{ID: "web-1", Name: "web", Port: one.Port, Tags: []string{"http"}, Meta: map[string]string{"version": "v1"}})
	l.start(append([]string{"-template", "@nginx/gateway.conf:" + l.path("nginx.conf")}, l.vars("@nginx/gateway.conf")...)...)
	l.eventually("web.example.com", "/id", "one")
	l.eventually("nobody.example.com", "/id", "404")

	// TCP by the port in the name, and TLS by its host.
	l.register(&api.AgentServiceRegistration{ID: "e", Name: fmt.Sprintf("echo-%d", l.ports["echo"]), Port: echo.Port, Tags: []string{"tcp"}})
	l.register(&api.AgentServiceRegistration{ID: "s", Name: "secret", Port: secret.Port, Tags: []string{"tcp"}, Meta: map[string]string{"nginx_host": "secret.test"}})
	servers.Eventually(t, 30*time.Second, func() error {
		got, err := echoed(net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", l.ports["echo"])))
		if err == nil && got != "hello\n" {
			err = fmt.Errorf("got %q", got)
		}
		return err
	})
	passed := func(name string) error {
		config := secret.ClientConfig()
		config.ServerName = name
		conn, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", l.ports["tls"]), config)
		if err != nil {
			return err
		}
		_, err = echoed(conn, nil)
		return err
	}
	servers.Eventually(t, 30*time.Second, func() error { return passed("secret.test") })
	if err := passed("other.test"); err == nil {
		t.Error("a host that nobody has is passed on")
	}

	// A service that wants what cannot be is named, and the others go on.
	l.register(&api.AgentServiceRegistration{ID: "t", Name: "thief", Port: two.Port, Tags: []string{"http"}, Meta: map[string]string{"nginx_host": "web.example.com"}})
	l.register(&api.AgentServiceRegistration{ID: "x", Name: "evil", Port: two.Port, Tags: []string{"http"}, Meta: map[string]string{"nginx_host": "a.com; location /etc/ { alias /etc/; } set $x 1"}})
	l.register(&api.AgentServiceRegistration{ID: "o", Name: "other", Port: two.Port, Tags: []string{"http"}})
	l.eventually("other.example.com", "/id", "two")
	l.eventually("web.example.com", "/id", "one")
	l.ctmpl.logged(`service \"thief\" does not get web.example.com/ on port`)
	l.ctmpl.logged(`service \"evil\" is left out: nginx_host`)
	status := l.run("status", "-state-dir", l.path("state"))
	for _, text := range []string{`note: service "thief" does not get`, `note: service "evil" is left out`, "live"} {
		if !strings.Contains(status, text) {
			t.Errorf("status has no %q:\n%s", text, status)
		}
	}
	if strings.Contains(status, "alias") {
		t.Errorf("status shows the value:\n%s", status)
	}

	// The canary gets what the key says, and nonsense in it does no harm.
	l.register(&api.AgentServiceRegistration{ID: "web-2", Name: "web", Port: two.Port, Tags: []string{"http"}, Meta: map[string]string{"version": "v2"}})
	for _, c := range []struct{ percent, want string }{{"100", "two"}, {"0", "one"}, {"100", "two"}, {"abc", "one"}} {
		putKey(t, l.consul.Client, "release/web/canary", c.percent)
		l.eventually("web.example.com", "/id", c.want)
	}
	l.ctmpl.logged(`service \"web\" has no canary: key \"release/web/canary\"`)

	// One without a healthy instance is 502, for itself alone.
	if err := l.consul.Client.Agent().UpdateTTL("o-alive", "", "critical"); err != nil {
		t.Fatal(err)
	}
	l.eventually("other.example.com", "/id", "502")
	l.eventually("web.example.com", "/id", "one")
}

// A certificate in a key: it is written, nginx takes it over, and a new one after it; the
// files are checked before they are live. One that is none leaves the service out.
func TestShippedTLS(t *testing.T) {
	t.Parallel()
	l := &live{gateway: newGateway(t), consul: servers.RunConsul(t, servers.ConsulOptions{})}
	backend, authority := servers.RunHTTPBackend(t, "bank"), newAuthority(t)
	args := l.vars("@nginx/gateway.conf")
	l.run(append(args, "-once", "-state-dir", "none", "-consul-addr", l.consul.HTTPAddr, "-template", "@nginx/gateway.conf:"+l.path("nginx.conf"))...)
	servers.RunNginx(t, l.dir, l.path("nginx.conf"))
	config := l.write("ctmpl.hcl", l.real(`consul { address = "`+l.consul.HTTPAddr+`" }
nginx { config = "DIR/nginx.conf" prefix = "DIR/" }
template { source = "@nginx/gateway.conf" destination = "DIR/nginx.conf" reload = "nginx" }
`))
	l.ctmpl = runIn(t, l.dir, append(args, "-config", config, "-state-dir", l.path("state"))...)

	put := func(text string) { putKey(t, l.consul.Client, "nginx/tls/bank", text) }
	served := func() (serial string, err error) {
		roots := x509.NewCertPool()
		roots.AddCert(authority.cert)
		conn, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", l.ports["ssl"]), &tls.Config{RootCAs: roots, ServerName: "bank.example.com"})
		if err != nil {
			return "", err
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.String(), nil
	}
	pair := func() string {
		cert, key := authority.pair(t, "bank.example.com")
		return string(cert) + string(key)
	}
	put(pair())
	l.register(&api.AgentServiceRegistration{ID: "b", Name: "bank", Port: backend.Port, Tags: []string{"http"}, Meta: map[string]string{"nginx_tls": "kv:bank"}})
	first := ""
	servers.Eventually(t, 30*time.Second, func() (err error) { first, err = served(); return err })
	put(pair())
	servers.Eventually(t, 30*time.Second, func() error {
		if serial, err := served(); err != nil || serial == first {
			return fmt.Errorf("it is still that of before, %v", err)
		}
		return nil
	})
	put("no certificate")
	l.ctmpl.logged(`service \"bank\" is not served, and keeps its place: nginx_tls: key \"nginx/tls/bank\": want a certificate`)
	l.eventually("bank.example.com", "/", "503")
	if info, err := os.Stat(l.path("tls/consul/bank.pem")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v", info, err)
	}
	if text := l.ctmpl.log.text(); strings.Contains(text, "PRIVATE") {
		t.Error("the log holds the key")
	}
}
