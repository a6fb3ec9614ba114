package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// forwarder takes connections and passes them on to a port, as a load balancer does.
func forwarder(t *testing.T, to int) (port int) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", to))
			if err != nil {
				in.Close()
				continue
			}
			go func() { _, _ = io.Copy(out, in); out.Close() }()
			go func() { _, _ = io.Copy(in, out); in.Close() }()
		}
	}()
	return listener.Addr().(*net.TCPAddr).Port
}

// What an instance gets to know of a request, and a circle that ends.
func TestShippedProxying(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("Host", r.Host)
		_ = json.NewEncoder(w).Encode(r.Header)
	}))
	t.Cleanup(backend.Close)
	at, err := url.Parse(backend.URL)
	if err != nil {
		t.Fatal(err)
	}
	g.write("catalog.hcl", fmt.Sprintf(`
service { name = "web" address = "127.0.0.1" port = %s tags = ["http"] }
service { name = "circle" address = "127.0.0.1" port = %d tags = ["http"] }
`, at.Port(), forwarder(t, g.ports["http"])))
	args := []string{"-once", "-catalog", g.path("catalog.hcl"), "-template", "@nginx/gateway.conf:" + g.path("nginx.conf")}
	g.run(append(args, g.vars("@nginx/gateway.conf")...)...)
	servers.RunNginx(t, g.dir, g.path("nginx.conf"))

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	ask := func(host, upgrade string) (status int, header http.Header) {
		t.Helper()
		req, err := http.NewRequest("GET", fmt.Sprintf("http://127.0.0.1:%d/", g.ports["http"]), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		if upgrade != "" {
			req.Header.Set("Upgrade", upgrade)
			req.Header.Set("Connection", "Upgrade")
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		_ = json.NewDecoder(resp.Body).Decode(&header)
		return resp.StatusCode, header
	}
	for _, c := range []struct{ host, upgrade, want string }{
		{"web.example.com", "", ""}, {"web.example.com:8080", "h2c", ""}, {"web.example.com", "WebSocket", "websocket"},
	} {
		status, header := ask(c.host, c.upgrade)
		for key, want := range map[string]string{
			"Host": c.host, "X-Forwarded-Host": c.host, "X-Forwarded-Port": fmt.Sprint(g.ports["http"]), "X-Forwarded-Proto": "http", "Upgrade": c.want,
		} {
			if got := header.Get(key); status != http.StatusOK || got != want {
				t.Errorf("%s, %s: status %d, %s is %q, want %q", c.host, c.upgrade, status, key, got, want)
			}
		}
		if text := fmt.Sprint(header); strings.Contains(text, "_route") {
			t.Errorf("a name of nginx's own goes out: %s", text)
		}
	}
	if status, _ := ask("circle.example.com", ""); status != http.StatusLoopDetected {
		t.Errorf("the circle ends with %d", status)
	}
}
