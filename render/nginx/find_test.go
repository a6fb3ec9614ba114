//go:build linux

package nginx

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ctmpl/ctmpl/internal/servers"
	"github.com/ctmpl/ctmpl/render/rollout"
)

// startBinary starts an nginx in the foreground, without what servers gives it.
func (s *site) startBinary(binary string, args ...string) {
	s.t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Dir = s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := spawn(cmd); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = cmd.Process.Signal(syscall.SIGTERM); _ = cmd.Wait() })
	s.wantVersion("v1")
}

func nginxBinary(t testing.TB) string {
	t.Helper()
	found, err := servers.FindNginx(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return found.Path
}

// ownBinary copies nginx below the site.
func (s *site) ownBinary() string {
	s.t.Helper()
	from, err := os.Open(nginxBinary(s.t))
	if err != nil {
		s.t.Fatal(err)
	}
	defer from.Close()
	path := s.write("bin/nginx.new", "")
	to, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err == nil {
		_, err = io.Copy(to, from)
	}
	if err = errors.Join(err, to.Close(), os.Chmod(path, 0o755), os.Rename(path, s.path("bin/nginx"))); err != nil {
		s.t.Fatal(err)
	}
	return s.path("bin/nginx")
}

// foreground are the directives for one that startBinary starts.
const foreground = "daemon off; user root; pid run.pid; error_log error.log;"

// A reload needs a master process.
func TestReloadOfASingleProcess(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write("nginx.conf", s.conf("v1", "master_process off;"+foreground, ""))
	s.startBinary(nginxBinary(t), "-p", s.dir, "-c", s.path("nginx.conf"))
	d := s.driver(func(c *Config) { c.Prefix = s.dir })
	wantError(t, d.Reload(t.Context(), ""), "has no master process", `remove "master_process off"`)
	if busy := d.Busy(); busy != "" {
		t.Errorf("Busy: %s", busy)
	}
	s.wantVersion("v1")
}

// The package is upgraded, and then removed, while nginx runs.
func TestUpgradedBinary(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	conf := func(version string) string { return s.conf(version, foreground, "include conf.d/*.conf;") }
	s.write("nginx.conf", conf("v1"))
	s.write("conf.d/a.conf", "")
	s.startBinary(s.ownBinary(), "-p", s.dir, "-c", "nginx.conf") // relative to the prefix
	step := func(version string) {
		t.Helper()
		s.write("nginx.conf", conf(version))
		d := s.driver(func(c *Config) { c.PidFile, c.Conf = s.path("run.pid"), "" })
		if err := errors.Join(d.Check(t.Context(), []rollout.Staged{s.stage("conf.d/b.conf", "")}), s.reload(d)); err != nil {
			t.Error(err)
		}
		err := d.Check(t.Context(), []rollout.Staged{s.stage("conf.d/b.conf", "bad;")})
		wantError(t, err, "in "+s.path("conf.d/b.conf:1"))
		s.wantVersion(version)
	}
	step("v2")
	binary := s.ownBinary()
	step("v3")
	if err := s.reload(s.driver(func(c *Config) { c.Binary, c.Prefix = binary, s.dir })); err != nil {
		t.Error(err)
	}
	if err := os.Remove(binary); err != nil {
		t.Fatal(err)
	}
	step("v4")
}

func TestAmbiguousMasters(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write("nginx.conf", s.conf("v1", "user root;", ""))
	for i := range 2 {
		global := fmt.Sprintf("daemon off; pid run%d.pid; error_log error.log;", i)
		s.startBinary(nginxBinary(t), "-p", s.dir, "-c", s.path("nginx.conf"), "-g", global)
		if i == 0 { // the port is the other's then
			s.port = freePort(t)
			s.write("nginx.conf", s.conf("v1", "user root;", ""))
		}
	}
	err := s.driver().Reload(t.Context(), "")
	wantError(t, err, "2 other master processes could be meant (set pid_file)")
	if !errors.Is(err, rollout.ErrNotRunning) {
		t.Error("the error is no ErrNotRunning")
	}
	if err := s.reload(s.driver(func(c *Config) { c.PidFile = s.path("run1.pid") })); err != nil {
		t.Error(err)
	}
}

func TestKey(t *testing.T) {
	t.Parallel()
	a, b := New(Config{}, nil), New(Config{MaxDraining: 8}, nil)
	if a.Key() != b.Key() || a.Key() == New(Config{Conf: "/x"}, nil).Key() {
		t.Errorf("keys %s, %s", a.Key(), b.Key())
	}
	if New(Config{Binary: "a b"}, nil).Key() == New(Config{Binary: "a", Conf: "b"}, nil).Key() {
		t.Error("different configurations with one key")
	}
}

func TestParseTitle(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]launch{
		"nginx": {},
		"/usr/sbin/nginx -g daemon on; master_process on;":           {globals: "daemon on; master_process on;"},
		"nginx -c /a/b.conf -p /x/ -e stderr -g daemon off; pid /p;": {"/a/b.conf", "/x/", "stderr", "daemon off; pid /p;"},
		"./nginx -qc a.conf -p/x -g user root; -e e.log":             {"a.conf", "/x", "e.log", "user root;"},
		"nginx -c /a b/c.conf":                                       {conf: "/a b/c.conf"},
		"nginx -c":                                                   {},
		"nginx -t -xyz -c a":                                         {conf: "a"},
	} {
		if got := parseTitle(masterTitle + " " + args); got != want {
			t.Errorf("%s: got %+v, want %+v", args, got, want)
		}
	}
}

func TestParseBuilt(t *testing.T) {
	t.Parallel()
	for out, want := range map[string]built{
		"configure arguments:": {"/usr/local/nginx", "/usr/local/nginx/conf/nginx.conf", "/usr/local/nginx/logs/nginx.pid", "/usr/local/nginx/logs/error.log"},
		"configure arguments: --with-cc-opt='-O2 -f' --prefix=/usr/share/nginx --conf-path=/etc/nginx/nginx.conf --error-log-path=stderr --pid-path=/run/nginx.pid": {"/usr/share/nginx", "/etc/nginx/nginx.conf", "/run/nginx.pid", "stderr"},
		"configure arguments: --prefix='/a b' --pid-path=x.pid --error-log-path=/var/log/e":                                                                         {"/a b", "/a b/conf/nginx.conf", "/a b/x.pid", "/var/log/e"},
	} {
		if got := parseBuilt(out); got != want {
			t.Errorf("%s: got %+v, want %+v", out, got, want)
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	conf := s.write("conf/nginx.conf", "include main/*.conf; events { pid no; } error_log logs/e.log warn; error_log stderr; http { error_log /no; }")
	s.write("conf/main/a.conf", "pid 'run/x.pid'; include more.conf;")
	s.write("conf/more.conf", "error_log /var/log/e.log; error_log syslog:server=x; include main/a.conf;")
	got := settingsOf(conf, "master_process off;", "/prefix")
	want := settings{"/prefix/run/x.pid", []string{"/prefix/logs/e.log", "/var/log/e.log"}, true, true}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestEssence(t *testing.T) {
	t.Parallel()
	for out, want := range map[string]string{
		"": "",
		`nginx: [emerg] unknown directive "foo" in /x:3 | nginx: configuration file /x test failed`:                                         `[emerg] unknown directive "foo" in /x:3`,
		`nginx: [warn] w | nginx: the configuration file /x syntax is ok | nginx: [emerg] a | b | nginx: configuration file /x test failed`: `[emerg] a | b`,
		`2026/11/21 13:58:46 [emerg] 21465#21465: no in /x:1 | nginx: [emerg] no in /x:1`:                                                   `[emerg] no in /x:1`,
		`nginx: [warn] only this | nginx: configuration file /x test failed`:                                                                `[warn] only this`,
		`nginx: invalid option: "-z"`:                       `invalid option: "-z"`,
		`error while loading shared libraries: libx.so`:     `error while loading shared libraries: libx.so`,
		"nginx: [emerg] " + strings.Repeat("ä", messageMax): "[emerg] " + strings.Repeat("ä", (messageMax-8)/2) + "…",
	} {
		if got := essence(out); got != want {
			t.Errorf("%q: got %q, want %q", out, got, want)
		}
	}
}

func TestLogTail(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	line := func(level, text string) string { return "2026/11/21 13:58:47 [" + level + "] 7#7: " + text + "\n" }
	path := s.write("a.log", line("emerg", "old"))
	later := filepath.Join(s.dir, "later.log")
	tail := tailLogs(1<<30, []string{path, later}) // nobody has this number
	defer tail.close()
	tail.line = tailLogs(7, nil).line
	want := func(texts ...string) {
		t.Helper()
		var got []string
		for _, l := range tail.read() {
			got = append(got, l.text)
		}
		if fmt.Sprint(got) != fmt.Sprint(texts) {
			t.Errorf("got %q, want %q", got, texts)
		}
	}
	add := func(name, text string) {
		f, err := os.OpenFile(s.path(name), os.O_WRONLY|os.O_APPEND, 0)
		if err == nil {
			_, err = f.WriteString(text)
		}
		if err = errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	want()
	add("a.log", line("emerg", "one")+"2026/11/21 13:58:47 [emerg] 8#8: of another one\n"+"2026/11/21 13:58:47 [emerg] 7#7: not comp")
	want("one")
	add("a.log", "lete\n"+strings.Repeat("x", 3*readPiece)+"\n"+line("alert", "*1 two"))
	want("one", "not complete", "two")
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	add("a.log", line("emerg", "three"))
	s.write("later.log", line("emerg", "four"))
	want("one", "not complete", "two", "three", "four")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	add("a.log.1", line("emerg", "five"))
	want("one", "not complete", "two", "three", "four", "five")
	s.write("a.log", line("emerg", "six"))
	add("a.log.1", line("emerg", "seven"))
	want("one", "not complete", "two", "three", "four", "five", "seven", "six")
}
