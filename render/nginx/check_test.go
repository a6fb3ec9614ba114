//go:build linux

package nginx

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ctmpl/ctmpl/render/rollout"
)

// checkSite is a site that does not run, with includes by relative and absolute paths.
func checkSite(t testing.TB) *site {
	t.Helper()
	s := newSite(t)
	s.write("nginx.conf", s.mainFile(""))
	s.write("conf.d/a.conf", "server { listen unix:"+s.path("a.sock")+"; include snippets/x.conf; }\n")
	s.write("abs.d/b.conf", fmt.Sprintf("upstream b { include %s; }\n", s.path("abs.d/b.servers")))
	s.write("abs.d/b.servers", "server 127.0.0.1:1;\n")
	s.write("snippets/x.conf", "location /x { return 200; }\n")
	return s
}

func (s *site) mainFile(more string) string {
	main := fmt.Sprintf("pid %s;\nerror_log %s;\n", s.path("run.pid"), s.path("error.log"))
	return s.conf("v1", main, fmt.Sprintf("include conf.d/*.conf;\ninclude '%s';\n%s", s.path("abs.d/*.conf"), more))
}

// checkCase is staged files, and what nginx is to say of them: nothing when they are good.
type checkCase struct {
	name  string
	files map[string]string
	says  string // DIR stands for the directory
}

var checkCases = []checkCase{
	{"main", map[string]string{"nginx.conf": "MAIN"}, ""},
	{"main bad", map[string]string{"nginx.conf": "MAIN foo on;"}, `[emerg] unknown directive "foo" in DIR/nginx.conf:`},
	{"relative", map[string]string{"conf.d/a.conf": "server { listen unix:DIR/r.sock; }"}, ""},
	{"relative bad", map[string]string{"conf.d/a.conf": "\nfoo on;"}, `[emerg] unknown directive "foo" in DIR/conf.d/a.conf:2`},
	{"absolute", map[string]string{"abs.d/b.conf": "upstream c { server 127.0.0.1:2; }"}, ""},
	{"absolute bad", map[string]string{"abs.d/b.conf": "upstream c { }"}, `[emerg] no servers are inside upstream in DIR/abs.d/b.conf:1`},
	{"deep", map[string]string{"abs.d/b.servers": "server 127.0.0.1:2;"}, ""},
	{"deep bad", map[string]string{"abs.d/b.servers": "serves 127.0.0.1:2;"}, `[emerg] unknown directive "serves" in DIR/abs.d/b.servers:1`},
	{"snippet bad", map[string]string{"snippets/x.conf": "location /x {"}, `[emerg] unexpected end of file, expecting "}" in DIR/snippets/x.conf:1`},
	{"new", map[string]string{"conf.d/new.conf": "upstream new { server 127.0.0.1:2; }"}, ""},
	{"new bad", map[string]string{"conf.d/new.conf": "new;"}, `[emerg] unknown directive "new" in DIR/conf.d/new.conf:1`},
	{"new absolute bad", map[string]string{"abs.d/new.conf": "new;"}, `[emerg] unknown directive "new" in DIR/abs.d/new.conf:1`},
	{"new directory", map[string]string{"nginx.conf": "MAIN include new.d/sub/*.conf;", "new.d/sub/x.conf": "upstream new { server 127.0.0.1:2; }"}, ""},
	{"new directory bad", map[string]string{"nginx.conf": "MAIN include new.d/sub/*.conf;", "new.d/sub/x.conf": "new;"}, `[emerg] unknown directive "new" in DIR/new.d/sub/x.conf:1`},
	{"together", map[string]string{"nginx.conf": "MAIN server { location / { proxy_pass http://two; } }", "abs.d/two.conf": "upstream two { server 127.0.0.1:2; }"}, ""},
	{"beside bad", map[string]string{"two.conf": "bad bad bad", "nginx.conf": "MAIN include ./two.conf;"}, `[emerg] unexpected end of file, expecting ";" or "}" in DIR/./two.conf:1`},
}

func (s *site) stageAll(files map[string]string) []rollout.Staged {
	var staged []rollout.Staged
	for name, text := range files {
		text = strings.ReplaceAll(text, "DIR", s.dir)
		if rest, ok := strings.CutPrefix(text, "MAIN"); ok {
			text = s.mainFile(rest)
		}
		staged = append(staged, s.stage(name, text))
	}
	return staged
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, method := range []string{MethodOverlay, MethodTree, ""} {
		for _, tc := range checkCases {
			t.Run(method+" "+tc.name, func(t *testing.T) {
				t.Parallel()
				s := checkSite(t)
				staged := s.stageAll(tc.files)
				before := s.snapshot()
				err := s.driver(func(c *Config) { c.CheckMethod = method }).Check(t.Context(), staged)
				if now := s.snapshot(); now != before {
					t.Errorf("what is live has changed from\n%s to\n%s", before, now)
				}
				s.wantVerdict(err, tc.says)
			})
		}
	}
}

// wantVerdict wants no error when nginx is to say nothing, else one that blames the files.
func (s *site) wantVerdict(err error, says string) {
	s.t.Helper()
	if says == "" {
		if err != nil {
			s.t.Error(err)
		}
		return
	}
	wantError(s.t, err, strings.ReplaceAll(says, "DIR", s.dir))
	if !errors.As(err, new(*rollout.BadError)) || strings.Contains(err.Error(), "ctmpl-") || strings.Contains(err.Error(), "test failed") {
		s.t.Errorf("%T: %v", err, err)
	}
}

func TestCheckLive(t *testing.T) {
	t.Parallel()
	for _, tc := range checkCases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := checkSite(t)
			d := s.driver(func(c *Config) { c.CheckMethod = MethodLive })
			staged := s.stageAll(tc.files)
			before := s.snapshot()
			if err := d.Check(t.Context(), staged); !errors.Is(err, rollout.ErrCheckLive) {
				t.Errorf("Check: %v", err)
			}
			if now := s.snapshot(); now != before {
				t.Errorf("what is live has changed from\n%s to\n%s", before, now)
			}
			for _, f := range staged {
				if err := errors.Join(os.MkdirAll(filepath.Dir(f.Path), 0o755), os.Rename(f.Staged, f.Path)); err != nil {
					t.Fatal(err)
				}
			}
			s.wantVerdict(d.CheckLive(t.Context()), tc.says)
		})
	}
}

// snapshot is all configuration files with content, mode, inode and time.
func (s *site) snapshot() string {
	s.t.Helper()
	var out strings.Builder
	err := filepath.WalkDir(s.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.Name() == "tmp" {
			return fs.SkipDir
		}
		if e.IsDir() || strings.HasSuffix(path, ".log") || strings.HasSuffix(path, ".pid") {
			fmt.Fprintln(&out, path)
			return nil
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		fmt.Fprintln(&out, path, info.Mode(), info.ModTime().Format(time.RFC3339Nano), inode(info), string(text))
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	// These are made by any nginx -t.
	return strings.NewReplacer(s.path("error.log")+"\n", "", s.path("access.log")+"\n", "", s.path("run.pid")+"\n", "").Replace(out.String())
}
