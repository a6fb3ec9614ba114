//go:build linux

package nginx

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ctmpl/ctmpl/render/rollout"
)

func TestReloadTakes(t *testing.T) {
	t.Parallel()
	s := startSite(t, "worker_processes 2;", "")
	for i, d := range []*Driver{s.driver(), s.driver(), blind(s.driver()), blind(s.driver())} {
		version := fmt.Sprintf("v%d", i+2)
		s.write("nginx.conf", s.conf(version, "worker_processes 2;", ""))
		if err := s.reload(d); err != nil {
			t.Fatal(err)
		}
		// At once: no old worker takes connections any more.
		client, url, _ := versionClient(fmt.Sprintf("http://127.0.0.1:%d/", s.port))
		if got, err := ask(t.Context(), client, url); err != nil || got != version {
			t.Errorf("got %q, %v after the reload to %s", got, err, version)
		}
	}
}

// The cases in which nginx -t passes and nginx -s reload exits with 0, and nothing changes.

// passes makes sure that a test is about such a case, without the signal.
func (s *site) passes() {
	s.t.Helper()
	if err := s.Check(s.t.Context()); err != nil {
		s.t.Fatalf("nginx -t tells this, so it is not such a case: %v", err)
	}
	text, err := os.ReadFile(s.path("nginx.conf"))
	if err != nil {
		s.t.Fatal(err)
	}
	d := s.driver()
	if err := errors.Join(d.CheckLive(s.t.Context()), d.Check(s.t.Context(), []rollout.Staged{s.stage("nginx.conf", string(text))})); err != nil {
		s.t.Fatalf("our check tells this: %v", err)
	}
}

// blind makes a driver that the kernel does not tell when the master is idle.
func blind(d *Driver) *Driver {
	d.idle = func(*master) (bool, bool) { return false, false }
	return d
}

// wantRefused reloads, and wants an error that holds the texts while all is as before.
func (s *site) wantRefused(texts ...string) {
	s.t.Helper()
	s.passes()
	before := s.Workers()
	wantError(s.t, s.reload(s.driver()), append(texts, "refused to reload and goes on with what it had")...)
	if strings.Contains(texts[0], "[emerg]") { // the log tells it without the help of the kernel, too
		wantError(s.t, s.reload(blind(s.driver())), texts...)
	}
	if now := s.Workers(); fmt.Sprint(now) != fmt.Sprint(before) {
		s.t.Errorf("workers %v, before %v", now, before)
	}
	s.wantVersion("v1")
}

func TestReloadPortHeldByAnotherProcess(t *testing.T) {
	t.Parallel()
	s := startSite(t, "", "")
	taken, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", freePort(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s.write("nginx.conf", s.conf("v2", "", fmt.Sprintf("server { listen %s; }", taken.Addr())))
	s.wantRefused("[emerg] bind() to "+taken.Addr().String()+" failed (98: Address already in use)", "still could not bind()")
}

func TestReloadHTTPAndStreamOnTheSamePort(t *testing.T) {
	t.Parallel()
	s := startSite(t, "", "")
	port := freePort(t)
	s.write("nginx.conf", s.conf("v2", fmt.Sprintf("stream { server { listen 127.0.0.1:%d; return x; } }", port), fmt.Sprintf("server { listen 127.0.0.1:%d; }", port)))
	s.wantRefused(fmt.Sprintf("[emerg] bind() to 127.0.0.1:%d failed", port))
}

func TestReloadLimitReqZoneChangesKey(t *testing.T) {
	t.Parallel()
	zone := "limit_req_zone %s zone=one:1m rate=1r/s; limit_req zone=one burst=100;"
	s := startSite(t, "", fmt.Sprintf(zone, "$binary_remote_addr"))
	s.write("nginx.conf", s.conf("v2", "", fmt.Sprintf(zone, "$uri")))
	s.wantRefused(`[emerg] limit_req "one" uses the "$uri" key while previously it used the "$binary_remote_addr" key`)
}

func TestReloadProxyCachePathChangesPath(t *testing.T) {
	t.Parallel()
	cache := "proxy_cache_path %s keys_zone=one:1m;"
	s := newSite(t)
	s.write("nginx.conf", s.conf("v1", "", fmt.Sprintf(cache, s.path("cache1"))))
	s.start()
	s.write("nginx.conf", s.conf("v2", "", fmt.Sprintf(cache, s.path("cache2"))))
	s.wantRefused(`[emerg] cache "one" uses the "` + s.path("cache2") + `" cache path while previously it used the "` + s.path("cache1") + `" cache path`)
}

// luaModules are what Debian's libnginx-mod-http-lua brings.
var luaModules = []string{"ndk_http_module.so", "ngx_http_lua_module.so"}

// init_by_lua runs in the master only, and what it fails with is no [emerg]. Where
// the module is not installed, the master runs out of memory for a zone in place of
// that: this passes nginx -t, too, and is an [alert].
func TestReloadInitByLuaFails(t *testing.T) {
	t.Parallel()
	load := ""
	for _, module := range luaModules {
		path := filepath.Join("/usr/lib/nginx/modules", module)
		if _, err := os.Stat(path); err != nil {
			t.Log("without the module for Lua: a zone stands in")
			reloadOutOfMemory(t)
			return
		}
		load += "load_module " + path + ";\n"
	}
	s := startSite(t, load, "init_by_lua_block { local a = 1 }")
	s.write("nginx.conf", s.conf("v2", load, `init_by_lua_block { error("boom") }`))
	s.wantRefused("[error] init_by_lua error:", "boom")
}

func TestReloadOutOfMemory(t *testing.T) {
	t.Parallel()
	reloadOutOfMemory(t)
}

func reloadOutOfMemory(t *testing.T) {
	s := startSite(t, "", "")
	limit := unix.Rlimit{Cur: 512 << 20, Max: 512 << 20}
	if err := unix.Prlimit(s.PID(), unix.RLIMIT_AS, &limit, nil); err != nil {
		t.Fatal(err)
	}
	s.write("nginx.conf", s.conf("v2", "", "limit_req_zone $uri zone=big:1024m rate=1r/s;"))
	s.wantRefused("[alert] mmap(MAP_ANON|MAP_SHARED, 1073741824) failed (12: Cannot allocate memory)")
}

// killedSite is one whose nginx is dead, with the pid file that it left.
func killedSite(t *testing.T) (s *site, pidFile string) {
	t.Helper()
	s = newSite(t)
	pidFile = s.path("run.pid")
	s.write("nginx.conf", s.conf("v1", "pid "+pidFile+";", ""))
	s.start()
	s.Kill()
	return s, pidFile
}

func TestReloadStalePidFile(t *testing.T) {
	t.Parallel()
	s, pidFile := killedSite(t)
	err := s.reload(s.driver())
	wantError(t, err, "nginx is not running", pidFile, "which does not exist")
	if !errors.Is(err, rollout.ErrNotRunning) {
		t.Error("the error is no ErrNotRunning")
	}
}

func TestReloadStalePidWouldHitAForeignProcess(t *testing.T) {
	t.Parallel()
	s, pidFile := killedSite(t)
	for _, argv0 := range []string{"", "nginx: master process /usr/sbin/nginx -c " + s.path("nginx.conf")} {
		other := startIdle(t, argv0)
		s.write(filepath.Base(pidFile), strconv.Itoa(other.pid()))
		err := s.reload(s.driver())
		wantError(t, err, "nginx is not running", fmt.Sprintf("the pid file %s names the process %d", pidFile, other.pid()), "not a master process of nginx", "not signalled")
		if !errors.Is(err, rollout.ErrNotRunning) {
			t.Error("the error is no ErrNotRunning")
		}
		other.wantUnharmed()
	}
}

// A master that runs without its pid file is found by its main file.
func TestReloadFindsTheMasterBesideAStalePidFile(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	pid := "pid " + s.path("run.pid") + ";"
	s.write("nginx.conf", s.conf("v1", pid, ""))
	s.start()
	other := startIdle(t, "")
	for i, text := range []string{strconv.Itoa(other.pid()), "", "no number"} {
		s.write("run.pid", text)
		version := fmt.Sprintf("v%d", i+2)
		s.write("nginx.conf", s.conf(version, pid, ""))
		if err := s.reload(s.driver()); err != nil {
			t.Fatal(err)
		}
		s.wantVersion(version)
	}
	other.wantUnharmed()
	if err := os.Remove(s.path("run.pid")); err != nil {
		t.Fatal(err)
	}
	if err := s.reload(s.driver()); err != nil {
		t.Fatal(err)
	}
}

func TestReloadOfAnotherNginxIsRefused(t *testing.T) {
	t.Parallel()
	s, other := newSite(t), startSite(t, "", "")
	s.write("nginx.conf", s.conf("v1", "", ""))
	before := other.Workers()
	err := s.driver(func(c *Config) { c.PidFile = other.path("nginx.pid") }).Reload(t.Context(), "")
	wantError(t, err, "which is an nginx with the main file "+other.path("nginx.conf")+" and not "+s.path("nginx.conf"))
	if !errors.Is(err, rollout.ErrNotRunning) || fmt.Sprint(other.Workers()) != fmt.Sprint(before) {
		t.Errorf("%v, workers %v and %v", err, before, other.Workers())
	}
}
