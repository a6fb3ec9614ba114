//go:build linux

package nginx

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ctmpl/ctmpl/render/rollout"
)

// An overlay does not show what is mounted below its lower directory.
func TestCheckSeesWhatIsMountedInTheDirectory(t *testing.T) {
	t.Parallel()
	s := checkSite(t)
	s.write("conf.d/secrets/none", "")
	s.write("conf.d/one.conf", "")
	s.write("one", "upstream one { server 127.0.0.1:1; }")
	if err := errors.Join(
		unix.Mount("tmpfs", s.path("conf.d/secrets"), "tmpfs", 0, ""),
		unix.Mount(s.path("one"), s.path("conf.d/one.conf"), "", unix.MS_BIND, "")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(unix.Unmount(s.path("conf.d/secrets"), 0), unix.Unmount(s.path("conf.d/one.conf"), 0)); err != nil {
			t.Error(err)
		}
	})
	s.write("conf.d/secrets/two", "upstream two { server 127.0.0.1:1; }")
	staged := s.stage("conf.d/new.conf", "include conf.d/secrets/two; server { location /1 { proxy_pass http://one; } location /2 { proxy_pass http://two; } }")
	for _, method := range []string{MethodOverlay, MethodTree} {
		if err := s.driver(func(c *Config) { c.CheckMethod = method }).Check(t.Context(), []rollout.Staged{staged}); err != nil {
			t.Errorf("%s: %v", method, err)
		}
	}
}

// nginx -t opens the logs for writing, wherever they are.
func TestCheckWithLogsBesideTheConfiguration(t *testing.T) {
	t.Parallel()
	s := checkSite(t)
	large := bytes.Repeat([]byte("line\n"), mountedBack/5+1)
	s.write("conf.d/large.log", string(large))
	s.write("conf.d/a.conf", "access_log "+s.path("conf.d/large.log")+"; access_log "+s.path("conf.d/new.log")+";")
	if err := s.driver().Check(t.Context(), []rollout.Staged{s.stage("conf.d/new.conf", "")}); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(s.path("conf.d/large.log")); err != nil || !bytes.Equal(text, large) {
		t.Errorf("the log has %d bytes, %v", len(text), err)
	}
	if _, err := os.Stat(s.path("conf.d/new.log")); err == nil {
		t.Error("the check has made a file beside the configuration")
	}
}

func TestUnescapeMount(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{`/a\040b`: "/a b", `/a\134040`: `/a\040`, `/a\`: `/a\`, "/a": "/a"} {
		if got := unescapeMount(path); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}

var benchSizes = map[string]int{"small": 0, "1000 upstreams": 1000}

// largeHTTP is for the http context.
func (s *site) largeHTTP(n int) string {
	return "server_names_hash_max_size 8192;\n" + string(largeConf(n, fmt.Sprintf("unix:%s", s.path("large.sock"))))
}

func BenchmarkCheck(b *testing.B) {
	for _, method := range []string{MethodOverlay, MethodTree, MethodLive} {
		for name, n := range benchSizes {
			b.Run(method+" "+name, func(b *testing.B) {
				s := checkSite(b)
				text := s.largeHTTP(n)
				s.write("conf.d/a.conf", text)
				staged := []rollout.Staged{s.stage("conf.d/a.conf", text), s.stage("conf.d/new.conf", "")}
				d := s.driver(func(c *Config) { c.CheckMethod = method })
				for b.Loop() {
					err := d.Check(b.Context(), staged)
					if method == MethodLive {
						err = d.CheckLive(b.Context())
					}
					if err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkReload(b *testing.B) {
	for name, n := range benchSizes {
		b.Run(name, func(b *testing.B) {
			s := newSite(b)
			s.write("nginx.conf", s.conf("v1", "", s.largeHTTP(n)))
			s.start()
			d := s.driver()
			for b.Loop() {
				if err := d.Reload(b.Context(), ""); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
