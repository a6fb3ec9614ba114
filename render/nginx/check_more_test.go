//go:build linux

package nginx

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ctmpl/ctmpl/internal/servers"
	"github.com/ctmpl/ctmpl/render/rollout"
)

// As root without CAP_SYS_ADMIN, as in a container, a tree takes the place of mounts.
func TestCheckWithoutTheRightToMount(t *testing.T) {
	t.Parallel()
	unprivileged := []string{"setpriv", "--bounding-set=-sys_admin"}
	s := checkSite(t)
	bad := s.stage("abs.d/new.conf", "new;")
	out := s.checkIn("", bad, unprivileged...)
	for text, count := range map[string]int{
		`files are checked before they are live" method=tree not_possible="overlay: unshare: operation not permitted"`: 1,
		`*rollout.BadError: [emerg] unknown directive "new" in ` + bad.Path + ":1\n":                                   3,
		"left": 0,
	} {
		if got := strings.Count(out, text); got != count {
			t.Errorf("%q is there %d times, want %d, in %s", text, got, count, out)
		}
	}
	out = s.checkIn(MethodOverlay, bad, unprivileged...)
	if !strings.Contains(out, "cannot be checked by check_method overlay: unshare: operation not permitted") || strings.Contains(out, "BadError") {
		t.Errorf("overlay: %s", out)
	}
	out = s.checkIn("", s.stage("abs.d/new.conf", "upstream new { server 127.0.0.1:1; }"), unprivileged...)
	if strings.Count(out, "<nil>: <nil>\n") != 3 {
		t.Errorf("a good file: %s", out)
	}
}

func TestCheckSaysWhichMethodOnce(t *testing.T) {
	t.Parallel()
	s := checkSite(t)
	d := s.driver()
	for range 3 {
		if err := d.Check(t.Context(), []rollout.Staged{s.stage("conf.d/a.conf", "")}); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Count(s.log.String(), "method=overlay"); got != 1 || strings.Contains(s.log.String(), "not_possible") {
		t.Errorf("the log is %s", s.log)
	}
}

// When the live files fail just as well, the new ones may not be to blame.
func TestCheckBesideABrokenLiveConfiguration(t *testing.T) {
	t.Parallel()
	for _, method := range []string{MethodOverlay, MethodTree} {
		s := checkSite(t)
		s.write("snippets/x.conf", "broken;")
		d := s.driver(func(c *Config) { c.CheckMethod = method })
		for _, text := range []string{"", "bad;"} {
			err := d.Check(t.Context(), []rollout.Staged{s.stage("abs.d/b.conf", text)})
			wantError(t, err, "the live configuration fails its check, too: [emerg] unknown directive \"broken\" in "+s.path("snippets/x.conf:1"))
			if errors.As(err, new(*rollout.BadError)) {
				t.Errorf("%T: the new file is blamed", err)
			}
		}
		if err := d.Check(t.Context(), []rollout.Staged{s.stage("snippets/x.conf", "")}); err != nil {
			t.Errorf("what mends it: %v", err)
		}
		if err := s.driver().CheckLive(t.Context()); !errors.As(err, new(*rollout.BadError)) {
			t.Errorf("CheckLive: %v", err)
		}
	}
}

func TestCheckWarnsOfFilesThatAreNotIncluded(t *testing.T) {
	t.Parallel()
	s := checkSite(t)
	d := s.driver()
	lost := s.stage("conf.d/lost.cnf", "bad")
	for range 3 {
		if err := d.Check(t.Context(), []rollout.Staged{lost}); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Check(t.Context(), []rollout.Staged{s.stage("abs.d/b.servers", "server 127.0.0.1:1;")}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(s.log.String(), "does not include this file"); got != 1 || !strings.Contains(s.log.String(), lost.Path) {
		t.Errorf("the log is %s", s.log)
	}
}

func (s *site) pipe(name string) string {
	s.t.Helper()
	path := s.path(name)
	if err := unix.Mkfifo(path, 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

func TestCheckTimeout(t *testing.T) {
	t.Parallel()
	for _, method := range []string{MethodOverlay, MethodTree, MethodLive} {
		s := checkSite(t)
		s.pipe("conf.d/pipe.conf") // nobody will write to it
		d := s.driver(func(c *Config) { c.CheckMethod, c.CheckTimeout = method, 300*time.Millisecond })
		err := d.Check(t.Context(), []rollout.Staged{s.stage("conf.d/a.conf", "")})
		if method == MethodLive {
			err = d.CheckLive(t.Context())
		}
		wantError(t, err, "nginx -t", "was ended after 300ms (check_timeout)")
		if errors.As(err, new(*rollout.BadError)) {
			t.Errorf("%T: a timeout blames the file", err)
		}
	}
}

func TestMissingNginx(t *testing.T) {
	t.Parallel()
	s := checkSite(t)
	d := s.driver(func(c *Config) { c.Binary = s.path("no-nginx") })
	staged := []rollout.Staged{s.stage("conf.d/a.conf", "")}
	for _, err := range []error{d.Check(t.Context(), staged), d.CheckLive(t.Context())} {
		wantError(t, err, "find nginx: ", s.path("no-nginx"))
		if !errors.Is(err, os.ErrNotExist) || errors.As(err, new(*rollout.BadError)) {
			t.Errorf("%T %v", err, err)
		}
	}
	if err := d.Reload(t.Context(), ""); !errors.Is(err, rollout.ErrNotRunning) {
		t.Errorf("Reload: %v", err)
	}
	if busy := d.Busy(); busy != "" {
		t.Errorf("Busy: %s", busy)
	}
}

// The names of directories may hold what separates the options of a mount, and what is in
// quotes in a configuration.
func TestCheckStrangeNames(t *testing.T) {
	t.Parallel()
	for _, method := range []string{MethodOverlay, MethodTree} {
		s := newSite(t)
		s.dir = s.path(`a, b:c "e"`)
		if err := os.MkdirAll(s.path("tmp"), 0o755); err != nil {
			t.Fatal(err)
		}
		s.write("nginx.conf", fmt.Sprintf("pid %s;\nerror_log %s;\nevents {}\ninclude %s;\n", quote(s.path("run.pid")), quote(s.path("error.log")), quote(s.path("x y/*.conf"))))
		s.write("x y/old.conf", "")
		d := s.driver(func(c *Config) { c.CheckMethod = method })
		if err := d.Check(t.Context(), []rollout.Staged{s.stage("x y/new.conf", "worker_processes 1;")}); err != nil {
			t.Errorf("%s: %v", method, err)
		}
		err := d.Check(t.Context(), []rollout.Staged{s.stage("x y/new.conf", "new;")})
		wantError(t, err, `unknown directive "new" in `+s.path("x y/new.conf:1"))
	}
}

// With the globals of the master that runs, and through symbolic links.
func TestCheckBesideARunningMaster(t *testing.T) {
	t.Parallel()
	for _, method := range []string{MethodOverlay, MethodTree} {
		s := newSite(t)
		s.write("available/a.conf", "")
		s.write("elsewhere/b.conf", "")
		if err := errors.Join(os.Mkdir(s.path("enabled"), 0o755), os.Symlink("../available/a.conf", s.path("enabled/a.conf")), os.Symlink("elsewhere", s.path("linked"))); err != nil {
			t.Fatal(err)
		}
		stream := "stream { include enabled/*.conf; include linked/*.conf; include ../" + s.base() + "/up/*.conf; }"
		s.write("up/c.conf", "")
		s.write("nginx.conf", s.conf("v1", stream, ""))
		s.start()
		d := s.driver(func(c *Config) { c.CheckMethod = method })
		before := s.Workers()
		for _, name := range []string{"available/a.conf", "elsewhere/b.conf", "elsewhere/new.conf", "up/c.conf", "up/new.conf"} {
			if err := d.Check(t.Context(), []rollout.Staged{s.stage(name, "upstream u { server 127.0.0.1:1; }")}); err != nil {
				t.Errorf("%s, %s: %v", method, name, err)
			}
			err := d.Check(t.Context(), []rollout.Staged{s.stage(name, "bad;")})
			wantError(t, err, `unknown directive "bad"`)
			if !errors.As(err, new(*rollout.BadError)) {
				t.Errorf("%T", err)
			}
		}
		if now := s.Workers(); fmt.Sprint(now) != fmt.Sprint(before) {
			t.Errorf("workers %v, before %v", now, before)
		}
		if strings.Contains(s.log.String(), "does not include") {
			t.Errorf("the log is %s", s.log)
		}
		s.wantVersion("v1")
	}
}

func TestChecksAtTheSameTime(t *testing.T) {
	t.Parallel()
	s := checkSite(t)
	d := s.driver()
	errs := make(chan error)
	for i := range 20 {
		staged := s.stage(fmt.Sprintf("conf.d/new%d.conf", i), "bad;")
		go func() { errs <- d.Check(t.Context(), []rollout.Staged{staged}) }()
	}
	for range 20 {
		if err := <-errs; !errors.As(err, new(*rollout.BadError)) {
			t.Errorf("%T: %v", err, err)
		}
	}
	servers.Eventually(t, deadline, func() error {
		for point := range mountPoints() {
			if strings.HasPrefix(point, s.dir) {
				return fmt.Errorf("%s is mounted", point)
			}
		}
		return nil
	})
}

// nginx -t makes an empty pid file where there is none.
func TestCheckLeavesNoPidFile(t *testing.T) {
	t.Parallel()
	for _, method := range []string{MethodOverlay, MethodTree, MethodLive} {
		s := checkSite(t)
		d := s.driver(func(c *Config) { c.CheckMethod = method })
		if err := d.Check(t.Context(), []rollout.Staged{s.stage("conf.d/a.conf", "")}); err != nil && !errors.Is(err, rollout.ErrCheckLive) {
			t.Errorf("%s: %v", method, err)
		}
		if err := d.CheckLive(t.Context()); err != nil {
			t.Errorf("%s: %v", method, err)
		}
		if _, err := os.Stat(s.path("run.pid")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: there is a pid file: %v", method, err)
		}
	}
}
