package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// TestWhoMayAnswer has somebody answer for socat, with one certificate after the other.
func TestWhoMayAnswer(t *testing.T) {
	t.Parallel()
	with := func(change func(*x509.Certificate)) func(*authority) tls.Certificate {
		return func(ca *authority) tls.Certificate {
			template := member("socat")
			change(template)
			return ca.leaf(template)
		}
	}
	for _, c := range []struct {
		who    string
		cert   func(*authority) tls.Certificate
		reason string // "": it may
	}{
		{"socat", with(func(*x509.Certificate) {}), ""},
		{"socat by an authority between", func(ca *authority) tls.Certificate {
			between := ca.between()
			return between.leaf(member("socat"), between.cert)
		}, ""},
		{"another service", with(func(c *x509.Certificate) { c.URIs[0] = spiffe(trust, "other") }), "svc/other, not spiffe"},
		{"a service whose name begins so", with(func(c *x509.Certificate) { c.URIs[0] = spiffe(trust, "socat2") }), "svc/socat2, not spiffe"},
		{"ourselves", with(func(c *x509.Certificate) { c.URIs[0] = spiffe(trust, "web") }), "svc/web, not spiffe"},
		{"another trust domain", with(func(c *x509.Certificate) { c.URIs[0] = spiffe("evil.consul", "socat") }), "evil.consul"},
		{"another datacenter", with(func(c *x509.Certificate) { c.URIs[0].Path = "/ns/default/dc/dc2/svc/socat" }), "dc2"},
		{"another scheme", with(func(c *x509.Certificate) { c.URIs[0].Scheme = "https" }), "of no service"},
		{"one with two IDs", with(func(c *x509.Certificate) { c.URIs = append(c.URIs, spiffe(trust, "other")) }), "of no service"},
		{"one with a host name alone", with(func(c *x509.Certificate) { c.URIs, c.DNSNames = nil, []string{"socat"} }), "of no service"},
		{"one of the agent", with(func(c *x509.Certificate) {
			c.URIs = []*url.URL{{Scheme: "spiffe", Host: trust, Path: "/agent/client/dc/dc1/id/socat"}}
		}), "of no service"},
		{"an expired one", with(func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(-time.Minute)
		}), "expired"},
		{"one that is not valid yet", with(func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(time.Minute), time.Now().Add(time.Hour)
		}), "not yet valid"},
		{"one for clients", with(func(c *x509.Certificate) { c.ExtKeyUsage = c.ExtKeyUsage[:1] }), "incompatible key usage"},
		{"a self-signed one", func(ca *authority) tls.Certificate { return (&authority{t: ca.t}).leaf(member("socat")) }, "unknown authority"},
		{"one of another mesh", func(ca *authority) tls.Certificate { return newAuthority(ca.t).leaf(member("socat")) }, "unknown authority"},
		{"one signed by a member", func(ca *authority) tls.Certificate {
			thief := &authority{t: ca.t}
			thief.cert, thief.key = ca.sign(member("other"))
			return thief.leaf(member("socat"), thief.cert)
		}, "cannot sign"},
	} {
		t.Run(c.who, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, patience)
			server := newInstance(t, r.ca, c.cert(r.ca))
			err := r.try(r.open("socat", server.addr))
			if (err == nil) != (c.reason == "") {
				t.Fatalf("the handshake with nginx gives %v", err)
			}
			if c.reason == "" {
				return
			}
			r.log.await(t, "msg=refused service=socat")
			if !strings.Contains(r.log.text(), c.reason) {
				t.Errorf("the log does not say %q:\n%s", c.reason, r.log.text())
			}
			if server.received() > 0 {
				t.Error("it was sent something")
			}
		})
	}
}

// eventually wants a connection to succeed, and the instance to see this certificate.
func (r *rig) eventually(to route, server *instance, cert *x509.Certificate) {
	r.t.Helper()
	servers.Eventually(r.t, patience, func() error {
		if err := r.try(to); err != nil {
			return err
		}
		if !server.client().Equal(cert) {
			return errors.New("we still show the old certificate")
		}
		return nil
	})
}

// TestRotation changes certificate and roots on both ends while connections live.
func TestRotation(t *testing.T) {
	t.Parallel()
	r, next := newRig(t, patience), newAuthority(t)
	server := newInstance(t, r.ca, r.ca.leaf(member("socat")))
	to := r.open("socat", server.addr)
	var lives []*session
	echo := func() {
		t.Helper()
		s, err := r.dial(to)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range append(lives, s) {
			if err := s.echo("hello"); err != nil {
				t.Errorf("a connection has not survived: %v", err)
			}
		}
		lives = append(lives, s)
	}
	echo()
	if got, want := server.client().URIs[0].String(), spiffe(trust, "web").String(); got != want {
		t.Errorf("we show the certificate of %s", got)
	}

	// A new certificate of the same authority.
	mine := r.ca.leaf(member("web"))
	r.write("web.pem", asPEM(t, mine))
	r.eventually(to, server, mine.Leaf)
	echo()

	// A new root beside the old one, then new certificates at either end.
	r.write("roots.pem", rootsPEM(r.ca, next))
	server.is(next.leaf(member("socat")), r.ca, next)
	r.eventually(to, server, mine.Leaf)
	echo()
	mine = next.leaf(member("web"))
	r.write("web.pem", asPEM(t, mine))
	r.eventually(to, server, mine.Leaf)
	echo()

	// The old root is gone: who still shows a certificate of it is refused.
	r.write("roots.pem", rootsPEM(next))
	server.is(r.ca.leaf(member("socat")), next)
	servers.Eventually(t, patience, func() error {
		if r.try(to) == nil {
			return errors.New("the old root is still trusted")
		}
		return nil
	})
	server.is(next.leaf(member("socat")), next)
	echo()
}

// TestBadFiles has files become bad while connections are made: what was good stays.
func TestBadFiles(t *testing.T) {
	t.Parallel()
	r := newRig(t, patience)
	server := newInstance(t, r.ca, r.ca.leaf(member("socat")))
	to := r.open("socat", server.addr)
	good, _ := os.ReadFile(r.path("web.pem"))
	for _, c := range []struct{ file, text, said string }{
		{"web.pem", "", "failed to find any PEM data"},
		{"web.pem", string(good[:200]), "web.pem: tls:"},
		{"web.pem", asPEM(t, tls.Certificate{Certificate: r.ca.leaf(member("web")).Certificate, PrivateKey: r.ca.key}), "does not match"},
		{"web.pem", asPEM(t, r.ca.leaf(&x509.Certificate{DNSNames: []string{"web"}})), "of no service"},
		{"roots.pem", "none", "there is no certificate in it"},
		{"a.routes", "socat " + server.addr + "\nsocat localhost:80\n", "a.routes:2: want an IP address"},
	} {
		before, _ := os.ReadFile(r.path(c.file))
		r.write(c.file, c.text)
		r.log.await(t, c.said)
		if err := r.try(to); err != nil {
			t.Errorf("%s with %q: %v", c.file, c.said, err)
		}
		r.write(c.file, string(before))
	}
	if err := os.Chmod(r.path("web.pem"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := readIdentity(r.path("web.pem"), r.path("roots.pem")); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a key for everybody: %v", err)
	}
}

// TestRoutes opens and closes sockets; a connection outlives its route.
func TestRoutes(t *testing.T) {
	t.Parallel()
	r := newRig(t, patience)
	one, two := newInstance(t, r.ca, r.ca.leaf(member("socat"))), newInstance(t, r.ca, r.ca.leaf(member("mail")))
	first := r.open("socat", one.addr)
	live, err := r.dial(first)
	if err != nil {
		t.Fatal(err)
	}
	r.write("b.routes", "# of another template\n\n mail\t"+two.addr+" \n")
	r.log.await(t, "msg=open service=mail")
	if err := errors.Join(r.try(first), r.try(route{"mail", two.addr})); err != nil {
		t.Error(err)
	}
	r.write("a.routes", "")
	r.log.await(t, "msg=closed service=socat")
	if err := r.try(first); !errors.Is(err, syscall.ENOENT) {
		t.Errorf("a connection to a socket that is closed gives %v", err)
	}
	if err := errors.Join(live.echo("still"), r.try(route{"mail", two.addr})); err != nil {
		t.Error(err)
	}
	r.stop()
	if err := live.echo("over"); err == nil {
		t.Error("a connection outlives the forwarder")
	}
	if left, _ := os.ReadDir(r.path("run")); len(left) > 0 {
		t.Errorf("sockets stay behind: %v", left)
	}
}

// TestUnreachable wants nginx to see a failed handshake, at once or in time.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	r := newRig(t, 200*time.Millisecond)
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	to := r.open("socat", mute.Addr().String())
	if err := r.try(to); err == nil {
		t.Error("nobody has answered, and the handshake is done")
	}
	r.log.await(t, "deadline exceeded")
	mute.Close()
	if err := r.try(to); err == nil {
		t.Error("nobody is there, and the handshake is done")
	}
	r.log.await(t, "connection refused")
}

// TestWhoRefusesUs has an instance that does not want us, as after an intention denies it.
// In TLS 1.3 it says so when the handshake is done for us: all we can do is to tell.
func TestWhoRefusesUs(t *testing.T) {
	t.Parallel()
	r := newRig(t, patience)
	server := newInstance(t, r.ca, r.ca.leaf(member("socat")))
	to := r.open("socat", server.addr)
	server.is(r.ca.leaf(member("socat")), newAuthority(t))
	if err := r.try(to); err == nil {
		t.Error("it has answered")
	}
	r.log.await(t, `msg="ended by the instance" service=socat`)
	if !strings.Contains(r.log.text(), "tls: unknown certificate authority") {
		t.Errorf("the log does not say why:\n%s", r.log.text())
	}
}

// TestHalfClose wants an answer to what was said before the end.
func TestHalfClose(t *testing.T) {
	t.Parallel()
	r := newRig(t, patience)
	server := newInstance(t, r.ca, r.ca.leaf(member("socat")))
	s, err := r.dial(r.open("socat", server.addr))
	if err != nil {
		t.Fatal(err)
	}
	const size = 4 << 20
	go func() {
		_, _ = s.Write(make([]byte, size))
		_ = s.CloseWrite()
	}()
	if n, err := io.Copy(io.Discard, s); n != size || err != nil {
		t.Errorf("%d of %d bytes come back, %v", n, size, err)
	}
}

// TestSocketThatIsThere has one that was killed before, and one that runs.
func TestSocketThatIsThere(t *testing.T) {
	t.Parallel()
	r := newRig(t, patience)
	server := newInstance(t, r.ca, r.ca.leaf(member("socat")))
	to := route{"socat", server.addr}
	left, err := net.Listen("unix", to.socket(r.path("run")))
	if err != nil {
		t.Fatal(err)
	}
	left.(*net.UnixListener).SetUnlinkOnClose(false)
	left.Close()
	r.open("socat", server.addr)
	if err := r.try(to); err != nil {
		t.Error(err)
	}
	if _, err := listen(to.socket(r.path("run"))); err == nil || !strings.Contains(err.Error(), "another forwarder") {
		t.Errorf("a second one on the same socket: %v", err)
	}
	if err := r.try(to); err != nil {
		t.Error(err)
	}
}

// TestSocketThatIsBusy has one that runs and has not come to accept: a second one leaves
// it alone, though it cannot connect.
func TestSocketThatIsBusy(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	waiting, err := net.Dial("unix", path) // there is no place for another one
	if err != nil {
		t.Fatal(err)
	}
	defer waiting.Close()
	if _, err := listen(path); err == nil || !strings.Contains(err.Error(), "another forwarder") {
		t.Errorf("a second one on the same socket: %v", err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the socket of the first one is gone: %v", err)
	}
}

// TestDirectoryForEverybody wants no sockets where others could put theirs in their place:
// nginx would send them what is meant for the mesh.
func TestDirectoryForEverybody(t *testing.T) {
	t.Parallel()
	for mode, good := range map[os.FileMode]bool{0o700: true, 0o755: true, 0o770: true, 0o777: false, 0o777 | os.ModeSticky: false} {
		dir := t.TempDir()
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		_, err := newForwarder(dir, patience, slog.New(slog.DiscardHandler))
		if (err == nil) != good || !good && !strings.Contains(err.Error(), "chmod o-w") {
			t.Errorf("%v: %v", mode, err)
		}
	}
}

func TestParseRoute(t *testing.T) {
	for line, good := range map[string]bool{
		"web 10.0.0.1:21000": true, "web-1.x_Y [::1]:1": true,
		"web": false, "web 10.0.0.1": false, "web 10.0.0.1:70000": false, "web example.com:80": false, "web 10.0.0.1:1 x": false,
		"web 10.0.0.1:0": false, "web [fe80::1%/../../../../tmp/x]:1": false, "web [fe80::1%eth0]:1": false,
		"../web 10.0.0.1:1": false, "a/b 10.0.0.1:1": false, ".. 10.0.0.1:1": false, "web@x 10.0.0.1:1": false,
	} {
		if _, err := parseRoute(line); (err == nil) != good {
			t.Errorf("%q: %v", line, err)
		}
	}
}

func TestFlags(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		said string
	}{
		{"-help", 0, "-sockets directory"},
		{"", 2, "have to be given"},
		{"-cert a -roots b -sockets c", 2, "have to be given"},
		{"-nonsense", 2, "not defined: -nonsense"},
		{"-cert a -roots b -sockets c -timeout 0s d", 2, "-timeout has to be more than 0"},
		{"-cert a -roots b -sockets /dev/null/x r", 1, "/dev/null"},
	} {
		var errs strings.Builder
		if code := run(strings.Fields(c.args), &errs); code != c.code || !strings.Contains(errs.String(), c.said) {
			t.Errorf("%q: exit code %d, want %d, with %q in:\n%s", c.args, code, c.code, c.said, &errs)
		}
	}
}
