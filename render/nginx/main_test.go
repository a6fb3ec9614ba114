//go:build linux

package nginx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
	"github.com/ctmpl/ctmpl/render/rollout"
)

const (
	deadline = 30 * time.Second // of what happens at once on an idle machine
	helperIs = "NGINX_TEST_HELPER"
)

// helpers are programs that tests run in a process of their own, by name.
var helpers = map[string]func(){"idle": idleHelper, "check": checkHelper}

func TestMain(m *testing.M) {
	if helper := helpers[os.Getenv(helperIs)]; helper != nil {
		helper()
		return
	}
	os.Exit(run(m))
}

// run runs the tests with a directory of their own for temporary files, and fails when
// anything of the checks is left behind after them.
func run(m *testing.M) int {
	tmp, err := os.MkdirTemp("", "nginx-test-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(tmp)
	if err := os.Setenv("TMPDIR", tmp); err != nil {
		panic(err)
	}
	code := m.Run()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	if err := servers.Wait(ctx, func() error { return leftBehind(tmp) }); err != nil && code == 0 {
		fmt.Println("something is left behind:", err)
		return 1
	}
	return code
}

// leftBehind tells of goroutines, threads in a mount namespace of their own, mounts and
// temporary files.
func leftBehind(tmp string) error {
	if left := goroutinesLeft(); left != "" {
		return errors.New(left)
	}
	threads, _ := filepath.Glob("/proc/self/task/*/ns/mnt")
	for _, thread := range threads {
		if space, err := os.Readlink(thread); err == nil && space != mountNamespace {
			return fmt.Errorf("%s is %s", thread, space)
		}
	}
	for point := range mountPoints() {
		if strings.HasPrefix(point, tmp) {
			return fmt.Errorf("%s is mounted", point)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(tmp, "ctmpl-*")); len(left) > 0 {
		return fmt.Errorf("%s is there", left)
	}
	return nil
}

// mountNamespace is that of this process from the start.
var mountNamespace, _ = os.Readlink("/proc/self/ns/mnt")

// goroutinesLeft are those that run code of this package.
func goroutinesLeft() string {
	var all strings.Builder
	_ = pprof.Lookup("goroutine").WriteTo(&all, 2)
	var left []string
	for stack := range strings.SplitSeq(all.String(), "\n\n") {
		if strings.Contains(stack, "render/nginx.") && !strings.Contains(stack, "nginx.TestMain") && !strings.Contains(stack, "nginx.spawner") {
			left = append(left, stack)
		}
	}
	return strings.Join(left, "\n\n")
}

// site is a directory with an nginx that answers a version.
type site struct {
	t              testing.TB
	*servers.Nginx // nil until it is started
	dir            string
	port           int
	log            *record
}

// newSite makes a directory without a configuration.
func newSite(t testing.TB) *site {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "tmp"), 0o755); err != nil {
		t.Fatal(err)
	}
	return &site{t: t, dir: dir, port: freePort(t), log: &record{}}
}

// startSite makes one and starts it with the version v1 and more of the main and the
// http context.
func startSite(t testing.TB, main, http string) *site {
	t.Helper()
	s := newSite(t)
	s.write("nginx.conf", s.conf("v1", main, http))
	s.start()
	return s
}

func (s *site) start() {
	s.t.Helper()
	s.Nginx = servers.RunNginx(s.t, s.dir, s.path("nginx.conf"))
}

func freePort(t testing.TB) int {
	t.Helper()
	port, err := servers.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func (s *site) base() string { return filepath.Base(s.dir) }

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

// conf is a main file. Directives of the main context that servers.Globals gives, too,
// have to be there from the start on.
func (s *site) conf(version, main, http string) string {
	return fmt.Sprintf("%s\nevents {}\nhttp {\n%sserver { listen 127.0.0.1:%d; location / { return 200 %s; } }\n%s\n}\n",
		main, servers.HTTPTemp(s.dir), s.port, version, http)
}

func (s *site) write(name, text string) string {
	s.t.Helper()
	path := s.path(name)
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o644)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return path
}

// stage writes a file that is not live.
func (s *site) stage(name, text string) rollout.Staged {
	s.t.Helper()
	path := s.path(name)
	dir := filepath.Dir(path)
	if _, err := os.Stat(dir); err != nil {
		dir = s.dir
	}
	staged, err := os.CreateTemp(dir, "."+filepath.Base(name)+".ctmpl-")
	if err == nil {
		_, err = staged.WriteString(text)
	}
	if err = errors.Join(err, staged.Close()); err != nil {
		s.t.Fatal(err)
	}
	return rollout.Staged{Path: resolve(path), Staged: staged.Name()}
}

// driver is one for the main file, with more of its configuration.
func (s *site) driver(set ...func(*Config)) *Driver {
	cfg := Config{Conf: s.path("nginx.conf")}
	for _, f := range set {
		f(&cfg)
	}
	return New(cfg, slog.New(slog.NewTextHandler(s.log, nil)))
}

// wantVersion waits until the version is answered: old workers accept connections
// for a moment.
func (s *site) wantVersion(want string) {
	s.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	servers.Eventually(s.t, deadline, func() error {
		got, err := ask(context.Background(), client, fmt.Sprintf("http://127.0.0.1:%d/", s.port))
		if err == nil && got != want {
			err = fmt.Errorf("the version is %q, want %q", got, want)
		}
		return err
	})
}

// reload reloads, with a deadline.
func (s *site) reload(d *Driver) error {
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*deadline)
	defer cancel()
	return d.Reload(ctx, "")
}

// wantError fails unless an error is one line that holds all these texts.
func wantError(t testing.TB, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", texts)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("the error %q does not hold %q", err, text)
		}
	}
	if strings.Contains(err.Error(), "\n") || len(err.Error()) > 5<<10 {
		t.Errorf("the error is no short line: %q", err)
	}
	t.Log(err)
}

// record keeps a log.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}
