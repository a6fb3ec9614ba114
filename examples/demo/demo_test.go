package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// TestMain lets the test binary be the demo, so that the demo is checked for races
// when the tests are.
func TestMain(m *testing.M) {
	if os.Getenv("CTMPL_TEST_RUN_DEMO") != "" {
		os.Exit(run())
	}
	os.Exit(m.Run())
}

// show is a demo under test.
type show struct {
	*exec.Cmd
	tmp string // where it makes its directory
}

func newShow(t *testing.T, env ...string) *show {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := &show{exec.Command(program), t.TempDir()}
	s.Env = append(os.Environ(), "CTMPL_TEST_RUN_DEMO=1", "TMPDIR="+s.tmp, "TERM=xterm", "NO_COLOR=")
	s.Env = append(s.Env, env...)
	t.Cleanup(func() { s.wantNothingLeft(t) })
	return s
}

// wantNothingLeft checks that neither files nor processes are left. A command of a
// ctmpl that was killed ends a moment later.
func (s *show) wantNothingLeft(t *testing.T) {
	t.Helper()
	servers.Eventually(t, 10*time.Second, s.nothingLeft)
}

func (s *show) nothingLeft() error {
	entries, err := os.ReadDir(s.tmp)
	if err != nil || len(entries) > 0 {
		return fmt.Errorf("left in the temporary directory: %v, %v", entries, err)
	}
	// All that it starts runs in its directory.
	dirs, err := filepath.Glob("/proc/[0-9]*/cwd")
	for _, dir := range dirs {
		if at, err := os.Readlink(dir); err == nil && strings.HasPrefix(at, s.tmp) {
			line, _ := os.ReadFile(filepath.Join(filepath.Dir(dir), "cmdline"))
			return fmt.Errorf("left running: %s: %q", filepath.Dir(dir), line)
		}
	}
	return err
}

// file gives the path of a file in the directory of a demo that runs.
func (s *show) file(t *testing.T, name string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(s.tmp, "ctmpl-demo-*", name))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: found %v, %v", name, found, err)
	}
	return found[0]
}

func wantLines(t *testing.T, out string, patterns ...string) {
	t.Helper()
	for _, p := range patterns {
		if !regexp.MustCompile("(?m)" + p).MatchString(out) {
			t.Errorf("no line is like %s", p)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
}

// steps are lines of the story that are the same with and without nginx.
var steps = []string{
	`^── 2  An instance is added ─+$`,
	`^     \+   id   = "web-4"$`,
	`^     \+         server 127\.0\.0\.1:\d+; # web-4$`,
	`^── 3  An instance fails ─+$`,
	`^     \+   check \{ status = "critical" \}$`,
	`^     -         server 127\.0\.0\.1:\d+; # web-2$`,
	`^── 4  An instance is removed ─+$`,
	`^     -   id   = "web-1"$`,
	`^     -         server 127\.0\.0\.1:\d+; # web-1$`,
	`^── 5  Somebody slips in the template ─+$`,
	`^     nginx\.conf\.tmpl:\d+:\d+: function "servise" not defined: did you mean "service"\?$`,
	`^     in the line: \{\{- range servise "http\.web" \}\}$`,
	`^── 6  The template is mended ─+$`,
	`^     \+         server 127\.0\.0\.1:\d+ max_fails=3; # web-4$`,
	`^── 7  A bad value in the KV store ─+$`,
	`^     nginx\.conf\.tmpl:\d+:\d+: .*nginxSize`,
	`^     in the line: proxy_buffer_size \{\{ nginxSize \(key "nginx/buffer"\) \}\};$`,
	`^     \+     proxy_buffer_size 8k;$`,
	`^── 8  The catalog is emptied ─+$`,
	`^     \d of \d instances would vanish \(\d+(\.\d)?%, max_shrink 50%\): http\.web \d → 0$`,
	`^   There is nothing to hold any more`,
}

func TestStory(t *testing.T) {
	t.Parallel()
	s := newShow(t)
	out, err := s.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	wantLines(t, string(out), steps...)
	wantLines(t, string(out),
		`^── 1  ctmpl takes over ─+$`,
		`^     web-4  █+ \d+$`,
		`^     web-2  0$`,
		`^     web-1  0$`,
		`^   nginx serves it \d+ ms after the file was saved`,
		`^   [\d,]+ requests were sent all the while: 0 failed\.$`,
		`^       reload      = "nginx"`,
		`^     \[emerg\] "proxy_busy_buffers_size" must be less`,
		`^── 9  A reload that does not take ─+$`,
		`^     nginx refused to reload and goes on with what it had: \[emerg\] bind\(\) to$`,
		`^   Then the other program ends\.`,
		`^── 10  The result ─+$`,
		`nginx was reloaded \d+ times`,
	)
	for line := range strings.Lines(string(out)) {
		if n := utf8.RuneCountInString(line); n > 100 || strings.Contains(line, "\x1b") {
			t.Errorf("%d columns, or coloured: %q", n, line)
		}
	}
}

func TestStoryWithoutNginx(t *testing.T) {
	t.Parallel()
	// It is looked for outside of PATH, too: this one is in front, and of no use.
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "nginx"), []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	s := newShow(t, "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	out, err := s.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	wantLines(t, string(out), steps...)
	wantLines(t, string(out),
		`^   nginx cannot be used here: `,
		`^     apt-get install nginx libnginx-mod-stream `,
		`^── 1  ctmpl renders nginx.conf ─+$`,
		`^   It was written \d+ ms after the file was saved\.$`,
		`^── 9  The result ─+$`,
	)
}

func TestCtmplDies(t *testing.T) {
	t.Parallel()
	s := newShow(t)
	var out bytes.Buffer
	s.Stdout, s.Stderr = &out, &out
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	servers.Eventually(t, time.Minute, func() error { return s.killCtmpl() })
	err := s.Wait()
	if s.ProcessState.ExitCode() != 1 {
		t.Errorf("the exit code is %v", err)
	}
	wantLines(t, out.String(), `^demo: step \d: .*ctmpl has ended \(signal: killed\)`)
}

// killCtmpl finds the program by its file and kills it.
func (s *show) killCtmpl() error {
	links, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		return err
	}
	for _, link := range links {
		if at, err := os.Readlink(link); err != nil || !strings.HasPrefix(at, s.tmp) || filepath.Base(at) != "ctmpl" {
			continue
		}
		var pid int
		if _, err := fmt.Sscanf(link, "/proc/%d/exe", &pid); err != nil {
			return err
		}
		return syscall.Kill(pid, syscall.SIGKILL)
	}
	return fs.ErrNotExist
}
