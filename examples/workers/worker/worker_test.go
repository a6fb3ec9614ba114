package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// agent stands in for Consul: it keeps what it is asked, and answers anything else than a
// worker needs with an error.
type agent struct {
	*httptest.Server
	mu     sync.Mutex
	asked  []string          // as in "PUT /v1/kv/…"
	bodies map[string]string // the last one of each
	refuse string            // what is answered with an error
	hold   chan struct{}     // a registration is done, and not answered until this is closed
}

func startAgent(t *testing.T) *agent {
	a := &agent{bodies: map[string]string{}}
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	return a
}

func (a *agent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	what := r.Method + " " + r.URL.Path
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked, a.bodies[what] = append(a.asked, what), string(body)
	switch {
	case what == a.refuse:
		http.Error(w, "no", http.StatusForbidden)
	case what == "PUT /v1/agent/service/register" && a.hold != nil:
		a.mu.Unlock()
		<-a.hold
		a.mu.Lock()
	case strings.HasPrefix(what, "PUT /v1/agent/service/"):
	case strings.HasPrefix(r.URL.Path, "/v1/kv/worker/"):
		fmt.Fprint(w, "true")
	default:
		http.NotFound(w, r)
	}
}

func (a *agent) count(what string) int {
	n := 0
	for _, asked := range a.all() {
		if asked == what {
			n++
		}
	}
	return n
}

func (a *agent) all() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.asked)
}

func (a *agent) body(what string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.bodies[what]
}

// serveWorker runs a worker, and returns the address, and what ends it and gives its error.
func serveWorker(t *testing.T, a *agent, args ...string) (addr string, end func() error) {
	t.Helper()
	port, err := servers.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	addr = fmt.Sprintf("127.0.0.1:%d", port)
	opts, err := parse(append([]string{"-address", addr, "-consul", a.Listener.Addr().String(), "-drain", "1ms"}, args...), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- serve(ctx, opts, t.Output()) }()
	return addr, func() error { cancel(); return <-done }
}

// TestLife wants the entry before the registration, and the other way round at the end.
func TestLife(t *testing.T) {
	t.Parallel()
	a := startAgent(t)
	addr, end := serveWorker(t, a, "-update", "500ms")
	write, clear := "PUT /v1/kv/worker/"+addr, "DELETE /v1/kv/worker/"+addr
	servers.Eventually(t, 10*time.Second, func() error {
		if n := a.count(write); n < 3 {
			return fmt.Errorf("the entry was written %d times", n)
		}
		return nil
	})
	status, err := servers.Get(t.Context(), servers.LoadOptions{Addr: addr, Path: "/status"})
	var entry struct{ Load, TS int64 }
	if err != nil || json.Unmarshal([]byte(status), &entry) != nil || entry.Load != 0 || time.Since(time.Unix(entry.TS, 0)) > time.Minute {
		t.Errorf("/status gives %s (%v)", status, err)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
	const register, leave = "PUT /v1/agent/service/register", "PUT /v1/agent/service/deregister/worker-127.0.0.1"
	if got := slices.Compact(a.all()); !slices.Equal(got, []string{write, register, write, leave, clear}) {
		t.Errorf("Consul was asked %v", got)
	}
	for _, part := range []string{
		`"ID":"worker-127.0.0.1","Name":"worker"`, `"Address":"127.0.0.1"`, `"Interval":"5s"`, `"Timeout":"1s"`,
		`"HTTP":"http://` + addr + `/status"`, `"Status":"passing"`,
	} {
		if body := a.body(register); !strings.Contains(body, part) {
			t.Errorf("the registration has no %s: %s", part, body)
		}
	}
}

var busy = regexp.MustCompile(`"load":([5-9]\d|100),`)

// TestUnderWay wants a request to be answered that is under way when the worker ends.
func TestUnderWay(t *testing.T) {
	t.Parallel()
	a := startAgent(t)
	addr, end := serveWorker(t, a, "-work", "3s", "-update", "500ms", "-slots", "1")
	answered := make(chan error, 1)
	servers.Eventually(t, 10*time.Second, func() error {
		_, err := servers.Get(t.Context(), servers.LoadOptions{Addr: addr, Path: "/status"})
		return err
	})
	go func() {
		text, err := servers.Get(context.Background(), servers.LoadOptions{Addr: addr})
		if err == nil && text != "worker-127.0.0.1" {
			err = fmt.Errorf("it answers %q", text)
		}
		answered <- err
	}()
	servers.Eventually(t, 10*time.Second, func() error {
		if body := a.body("PUT /v1/kv/worker/" + addr); !busy.MatchString(body) {
			return fmt.Errorf("a request is under way, and the entry is %s", body)
		}
		return nil
	})
	if err := end(); err != nil {
		t.Error(err)
	}
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

// TestRefused wants nothing to stay of a worker that cannot be registered.
func TestRefused(t *testing.T) {
	t.Parallel()
	a := startAgent(t)
	a.refuse = "PUT /v1/agent/service/register"
	addr, end := serveWorker(t, a)
	servers.Eventually(t, 10*time.Second, func() error {
		if a.count("DELETE /v1/kv/worker/"+addr) == 0 {
			return fmt.Errorf("the entry stays")
		}
		return nil
	})
	if err := end(); err == nil || !strings.Contains(err.Error(), "register worker-127.0.0.1: ") {
		t.Errorf("the error is %v", err)
	}
}

// TestEndsWhileItIsRegistered ends a worker when Consul has it already, and has not said so.
func TestEndsWhileItIsRegistered(t *testing.T) {
	t.Parallel()
	a := startAgent(t)
	a.hold = make(chan struct{})
	defer close(a.hold)
	addr, end := serveWorker(t, a)
	servers.Eventually(t, 10*time.Second, func() error {
		if a.count("PUT /v1/agent/service/register") == 0 {
			return errors.New("it does not register")
		}
		return nil
	})
	if err := end(); err == nil || !strings.Contains(err.Error(), "register worker-127.0.0.1: ") {
		t.Errorf("the error is %v", err)
	}
	want := []string{"PUT /v1/agent/service/deregister/worker-127.0.0.1", "DELETE /v1/kv/worker/" + addr}
	if got := a.all(); !slices.Equal(got[len(got)-2:], want) {
		t.Errorf("Consul was asked %v, want %v in the end", got, want)
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want string
		code int
	}{
		{[]string{"-address", ":8080"}, "want the IP address", 1},
		{[]string{"-address", "0.0.0.0:8080"}, "want the IP address", 1},
		{[]string{"-address", "localhost:8080"}, "want the IP address", 1},
		{[]string{"-update", "0s"}, "more than 0", 2},
		{[]string{"8080"}, "no arguments", 2},
		{[]string{"-adress", "x"}, "flag provided but not defined", 2},
	} {
		var said bytes.Buffer
		if code := run(c.args, &said); code != c.code || !strings.Contains(said.String(), c.want) {
			t.Errorf("%v: exit code %d, want %d; it says %s", c.args, code, c.code, said.String())
		}
	}
}

// TestMeter measures requests over a time.
func TestMeter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMeter(2, "")
		wantLoad(t, m, 0)
		m.add(1)
		time.Sleep(10 * time.Second)
		wantLoad(t, m, 50) // one of two slots, which is busy yet
		time.Sleep(4 * time.Second)
		m.add(-1)
		time.Sleep(6 * time.Second)
		wantLoad(t, m, 20)
		m.add(3)
		time.Sleep(10 * time.Second)
		wantLoad(t, m, 100) // there is no more than that
	})
}

// TestDeadband wants small changes to be no news, but many of them to be some.
func TestDeadband(t *testing.T) {
	t.Parallel()
	m := newMeter(1, filepath.Join(t.TempDir(), "load"))
	for _, c := range [][2]int{{50, 50}, {49, 50}, {51, 50}, {54, 50}, {55, 55}, {51, 55}, {50, 50}, {100, 100}, {0, 0}} {
		write(t, m.file, fmt.Sprintln(c[0]))
		wantLoad(t, m, c[1])
	}
}

func TestLoadFile(t *testing.T) {
	t.Parallel()
	m := newMeter(1, filepath.Join(t.TempDir(), "load"))
	if _, err := m.load(); err == nil {
		t.Error("no file passes")
	}
	for _, text := range []string{"", "busy", "-1", "101", "1.5"} {
		write(t, m.file, text)
		if _, err := m.load(); err == nil || !strings.Contains(err.Error(), m.file) {
			t.Errorf("%q: the error is %v", text, err)
		}
	}
}

func wantLoad(t *testing.T, m *meter, want int) {
	t.Helper()
	if got, err := m.load(); err != nil || got != want {
		t.Errorf("load %d (%v), want %d", got, err, want)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
