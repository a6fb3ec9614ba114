//go:build linux

package nginx

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ctmpl/ctmpl/internal/servers"
	"github.com/ctmpl/ctmpl/render/rollout"
)

// stuckReload begins a reload in which the master waits for somebody to write to a pipe
// that it includes; what is then follows that.
func (s *site) stuckReload(d *Driver, main, then string) (pipe string, result chan error) {
	s.t.Helper()
	pipe, result = s.pipe("pipe.conf"), make(chan error, 1)
	s.write("nginx.conf", s.conf("v2", main, "include pipe.conf; "+then))
	m, err := d.findMaster(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	go func() { result <- s.reload(d) }()
	servers.Eventually(s.t, deadline, func() error {
		call, err := os.ReadFile(proc(m.pid, "syscall"))
		if err == nil && !strings.HasPrefix(string(call), fmt.Sprintf("%d ", unix.SYS_OPENAT)) && !strings.HasPrefix(string(call), "2 ") {
			err = fmt.Errorf("the master is in the system call %s", call)
		}
		return err
	})
	return pipe, result
}

// release lets the master go on. It takes a pipe for empty.
func (s *site) release(pipe string) {
	s.t.Helper()
	w, err := os.OpenFile(pipe, os.O_WRONLY, 0)
	if err = errors.Join(err, w.Close()); err != nil {
		s.t.Fatal(err)
	}
}

func TestReloadMasterKilledMeanwhile(t *testing.T) {
	t.Parallel()
	s := startSite(t, "", "")
	_, result := s.stuckReload(s.driver(), "", "")
	s.Kill()
	err := <-result
	wantError(t, err, "nginx is not running any more: its master process", "ended during the reload")
	if errors.Is(err, rollout.ErrNotRunning) {
		t.Error("it is taken for an nginx that did not run: what is in place would count as good")
	}
}

func TestReloadTimeout(t *testing.T) {
	t.Parallel()
	for _, sees := range []bool{true, false} {
		s := startSite(t, "", "")
		d := s.driver(func(c *Config) { c.ReloadTimeout = 500 * time.Millisecond })
		if !sees {
			d = blind(d)
		}
		pipe, result := s.stuckReload(d, "", "")
		wantError(t, <-result, "no new worker within 500ms: ")
		s.release(pipe)
		s.wantVersion("v2")
	}
}

func TestReloadEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := startSite(t, "", "")
	ctx, cancel := context.WithCancel(t.Context())
	d := s.driver()
	d.idle = func(m *master) (bool, bool) {
		idle, known := m.idle()
		if known && !idle { // it has begun
			cancel()
		}
		return idle, known
	}
	if err := d.Reload(ctx, ""); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A worker that crashes is replaced by one with the old configuration.
func TestReloadCrashedWorkerIsNoNewWorker(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		main   string
		driver func(*Driver) *Driver
		want   string
	}{
		{"", func(d *Driver) *Driver { return d }, "refused to reload"},
		{"", blind, "refused to reload"},
		{"error_log /dev/null;", func(d *Driver) *Driver { return d }, "whether it took the configuration is not known"},
		{"error_log /dev/null;", blind, "whether it took the configuration is not known"},
	} {
		s := startSite(t, tc.main, "")
		worker := s.Workers()[0]
		pipe, result := s.stuckReload(tc.driver(s.driver()), tc.main, "bad;")
		if err := syscall.Kill(worker, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		servers.Eventually(t, deadline, func() error {
			if _, there := look(worker); there {
				return errors.New("the worker is still there")
			}
			return nil
		})
		s.release(pipe)
		wantError(t, <-result, tc.want)
		s.wantVersion("v1")
	}
}

// Without a log to read, the workers tell.
func TestReloadWithoutAnErrorLog(t *testing.T) {
	t.Parallel()
	main := "error_log /dev/null;"
	s := startSite(t, main, "")
	s.write("nginx.conf", s.conf("v2", main, ""))
	if err := s.reload(s.driver()); err != nil {
		t.Fatal(err)
	}
	s.wantVersion("v2")
	s.write("nginx.conf", s.conf("v3", main, "bad;"))
	wantError(t, s.reload(s.driver()), "refused to reload", "it does not say why")
}

// What the master says after it has opened the new logs goes there.
func TestReloadComplaintInAnotherLog(t *testing.T) {
	t.Parallel()
	s := startSite(t, "error_log logs1;", "")
	taken, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", freePort(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s.write("nginx.conf", s.conf("v2", "error_log logs2;", fmt.Sprintf("server { listen %s; }", taken.Addr())))
	wantError(t, s.reload(s.driver()), "refused", "bind() to "+taken.Addr().String())
	if err := os.Rename(s.path("logs1"), s.path("logs1.old")); err != nil { // rotated, and nginx was not told
		t.Fatal(err)
	}
	s.write("nginx.conf", s.conf("v2", "error_log logs1;", "bad;"))
	wantError(t, s.reload(s.driver()), "refused", `unknown directive "bad"`)
}

// Reloads of somebody else come before ours, beside it, and after it.
func TestReloadsOfSomebodyElse(t *testing.T) {
	t.Parallel()
	s := startSite(t, "worker_processes 2;", "")
	d := s.driver()
	for i := range 3 {
		s.write("nginx.conf", s.conf("v1", "worker_processes 2;", "bad;"))
		_ = syscall.Kill(s.PID(), syscall.SIGHUP) // is refused, or comes to the good one
		version := fmt.Sprintf("v%d", i+2)
		s.write("nginx.conf", s.conf(version, "worker_processes 2;", ""))
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range 5 {
				_ = syscall.Kill(s.PID(), syscall.SIGHUP)
				<-time.After(20 * time.Millisecond)
			}
		}()
		if err := s.reload(d); err != nil {
			t.Error(err)
		}
		s.wantVersion(version)
		<-done
	}
}

func TestReloadVersion(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	server := "server { listen unix:" + s.path("v.sock") + "; location = /version { return 200 '%s\n'; } }"
	s.write("nginx.conf", s.conf("v1", "", fmt.Sprintf(server, "v1")))
	s.start()
	s.write("nginx.conf", s.conf("v2", "", fmt.Sprintf(server, "v2")))
	for url, want := range map[string]string{
		fmt.Sprintf("http://127.0.0.1:%d/", s.port): "",
		"unix:" + s.path("v.sock") + ":/version":    "",
		"unix:" + s.path("v.sock") + ":/nothing":    "the last attempt failed: status 404 Not Found",
		"unix:" + s.path("none.sock") + ":/version": "no such file or directory",
		"unix:" + s.path("v.sock"):                  "has no path: write unix:SOCKET:/PATH",
	} {
		d := s.driver(func(c *Config) { c.VersionURL = url })
		if want != "" {
			d.cfg.ReloadTimeout = 4 * time.Second
		}
		err := d.Reload(t.Context(), "v2")
		if want != "" {
			wantError(t, err, want)
		} else if err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
	d := s.driver(func(c *Config) {
		c.VersionURL, c.ReloadTimeout = fmt.Sprintf("http://127.0.0.1:%d/", s.port), 4*time.Second
	})
	wantError(t, d.Reload(t.Context(), "v3"), `did not answer version "v3" within 4s: the last answer was "v2"`)
}

func TestBusyWhileWorkersDrain(t *testing.T) {
	t.Parallel()
	backend, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer backend.Close()
	s := newSite(t)
	slow := s.path("slow.sock")
	more := fmt.Sprintf("server { listen unix:%s; location / { proxy_pass http://%s; } }", slow, backend.Addr())
	s.write("nginx.conf", s.conf("v1", "", more))
	s.start()
	d := s.driver(func(c *Config) { c.MaxDraining = 1 })
	var open []net.Conn
	for i := range 2 {
		if busy := d.Busy(); busy != "" {
			t.Errorf("after %d reloads: %s", i, busy)
		}
		open = append(open, s.hold(slow, backend)...)
		if err := s.reload(d); err != nil {
			t.Fatal(err)
		}
	}
	servers.Eventually(t, deadline, func() error {
		if got, want := d.Busy(), "2 workers are still draining, and 1 serve (max_draining 1)"; got != want {
			return fmt.Errorf("Busy is %q, want %q", got, want)
		}
		return nil
	})
	for _, max := range []int{0, -1, 2} {
		if busy := s.driver(func(c *Config) { c.MaxDraining = max }).Busy(); busy != "" {
			t.Errorf("max_draining %d: %s", max, busy)
		}
	}
	for _, conn := range open {
		conn.Close()
	}
	servers.Eventually(t, deadline, func() error {
		if busy := d.Busy(); busy != "" {
			return errors.New(busy)
		}
		return nil
	})
}

func TestTooManyDraining(t *testing.T) {
	for _, c := range []struct {
		draining, serving, most int
		want                    bool
	}{
		{16, 16, 1, false}, // one reload of a large nginx
		{17, 16, 1, true},
		{128, 16, 8, false},
		{9, 1, 8, true},
		{9, 0, 8, true}, // all are being replaced
	} {
		if got := tooMany(c.draining, c.serving, c.most); got != c.want {
			t.Errorf("%d draining, %d serving, max_draining %d: %t", c.draining, c.serving, c.most, got)
		}
	}
}

// hold makes a request that is under way at the backend.
func (s *site) hold(socket string, backend net.Listener) []net.Conn {
	s.t.Helper()
	client, err := net.Dial("unix", socket)
	if err == nil {
		_, err = client.Write([]byte("GET / HTTP/1.0\r\n\r\n"))
	}
	if err != nil {
		s.t.Fatal(err)
	}
	server, err := backend.Accept()
	if err != nil {
		s.t.Fatal(err)
	}
	return []net.Conn{client, server}
}
