package servers

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestLoadCountsBackends(t *testing.T) {
	t.Parallel()
	a, b := RunHTTPBackend(t, "a"), RunHTTPBackend(t, "b")
	port := runBalancer(t, a, b)
	load := RunLoad(t, LoadOptions{Addr: loopback(port), Host: "web.example.com", Workers: 3})
	Eventually(t, 10*time.Second, func() error {
		if r := load.Result(); r.Requests < 50 {
			return fmt.Errorf("only %s", r)
		}
		return nil
	})
	load.Take()
	if err := a.Stop(); err != nil { // nginx goes on to b
		t.Fatal(err)
	}
	Eventually(t, 10*time.Second, func() error {
		if r := load.Result(); r.Requests < 100 {
			return fmt.Errorf("only %s", r)
		}
		return nil
	})
	total := load.Stop()
	if err := total.Err(); err != nil {
		t.Error(err)
	}
	if total.Backends["a"] < 20 || total.Backends["b"] < 20 || total.Backends["a"]+total.Backends["b"] != total.Requests {
		t.Errorf("counted %s", total)
	}
	if int64(total.Backends["b"]) != b.Requests() {
		t.Errorf("b has served %d, counted %s", b.Requests(), total)
	}
	if recent := load.Take(); recent.Requests >= total.Requests || recent.Backends["b"] == 0 {
		t.Errorf("since Take %s, in all %s", recent, total)
	}
}

// runBalancer starts an nginx that balances over two backends.
func runBalancer(t *testing.T, a, b *HTTPBackend) (port int) {
	t.Helper()
	dir := t.TempDir()
	port, err := FreePort()
	if err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf(`events {}
		http {
			%s
			upstream web { zone web 64k; server %s; server %s; }
			server { listen 127.0.0.1:%d; server_name web.example.com; location / { proxy_pass http://web; } }
			server { listen 127.0.0.1:%d default_server; return 404; }
		}`, HTTPTemp(dir), a.Addr, b.Addr, port, port)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	RunNginx(t, dir, conf)
	return port
}

func TestLoadCountsFailures(t *testing.T) {
	t.Parallel()
	b := RunHTTPBackend(t, "a")
	b.SetHealthy(false)
	load := RunLoad(t, LoadOptions{Addr: b.Addr, Path: "/health"})
	wantFailures(t, load, "status 503 Service Unavailable: a is sick")
	b.Kill()
	gone := RunLoad(t, LoadOptions{Addr: b.Addr})
	wantFailures(t, gone, "connection refused")
	if r := gone.Stop(); !errors.Is(r.Err(), syscall.ECONNREFUSED) {
		t.Errorf("got %v", r.Err())
	}
	if b.Requests() != 0 {
		t.Errorf("counted %d health checks", b.Requests())
	}
}

func wantFailures(t *testing.T, load *Load, want string) {
	t.Helper()
	Eventually(t, 10*time.Second, func() error {
		r := load.Result()
		if r.Failures <= maxErrors {
			return fmt.Errorf("only %s", r)
		}
		if len(r.Errors) != maxErrors || !strings.Contains(r.Errors[0].Error(), want) {
			t.Fatalf("kept %v, want %q", r.Errors, want)
		}
		return nil
	})
}

func TestBackendStopDrains(t *testing.T) {
	t.Parallel()
	b := RunHTTPBackend(t, "slow")
	b.SetDelay(200 * time.Millisecond)
	answer := make(chan error, 1)
	go func() {
		got, err := Get(t.Context(), LoadOptions{Addr: b.Addr})
		if err == nil && got != "slow" {
			err = fmt.Errorf("got %q", got)
		}
		answer <- err
	}()
	Eventually(t, 10*time.Second, func() error {
		if b.Requests() == 0 {
			return errors.New("the request has not arrived")
		}
		return nil
	})
	if err := b.Stop(); err != nil {
		t.Error(err)
	}
	if err := <-answer; err != nil {
		t.Errorf("a request that ran was cut: %v", err)
	}
	if _, err := net.Dial("tcp", b.Addr); err == nil {
		t.Error("somebody still listens")
	}
}

func TestEchoStopClosesConnections(t *testing.T) {
	t.Parallel()
	e := RunTCPEcho(t)
	conn, err := net.Dial("tcp", e.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	e.Stop()
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is still open")
	}
}

// The demo tells such an error at the end of a line, and once failed its test
// because nginx answers with a page of several lines.
func TestErrorOfAPageIsOneLine(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, "<html>\r\n<body>\r\nnot now</body>\r\n")
	}))
	t.Cleanup(server.Close)
	_, err := Get(t.Context(), LoadOptions{Addr: server.Listener.Addr().String()})
	if want := "status 503 Service Unavailable: <html> <body> not now</body>"; err == nil || err.Error() != want {
		t.Errorf("the error is %q, want %q", err, want)
	}
}
