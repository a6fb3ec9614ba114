package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// TestTemplatesAgainstConsulTemplate renders each template of testdata/compat with
// consul-template and with ctmpl on one Consul, and compares exit codes, bytes, and
// what was written to files. In a template
//
//   - DATA is a directory with a file to read, which all cases share,
//   - OUT is a directory of its own, for writeToFile,
//   - a comment {{/* differs: why */}} says that it differs on purpose,
//   - a comment {{/* flags: -a -b=c */}} gives further flags.
//
// A case whose name ends with _error has to fail, all others have to succeed.
func TestTemplatesAgainstConsulTemplate(t *testing.T) {
	t.Parallel()
	peer, err := servers.ConsulTemplatePath()
	if err != nil {
		t.Fatal(err)
	}
	ports, err := servers.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	// Peerings need gRPC with TLS. A query that is given up by its client still counts
	// for some time as one of the connections that an agent allows.
	config := fmt.Sprintf("ports { grpc_tls = %d }\nlimits { http_max_conns_per_client = 10000 }", ports[0])
	agent := servers.RunConsul(t, servers.ConsulOptions{Config: config})
	seed(t, agent.Client)
	seedPeers(t, agent.Client)
	data := t.TempDir()
	if err := os.WriteFile(filepath.Join(data, "file.txt"), []byte("from a file\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var sum tally
	cases := templateCases(t)
	t.Cleanup(func() { t.Logf("%d cases: %s", len(cases), &sum) })
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			defer sum.add(t, c)
			text := dataWord.ReplaceAllLiteral(c.text, []byte(data))
			want := once(t, peer, agent.HTTPAddr, text, c.flags...)
			got := once(t, program(t), agent.HTTPAddr, text, c.flags...)
			c.judge(t, want, got)
		})
	}
}

// templateCase is a template of testdata/compat.
type templateCase struct {
	name    string
	text    []byte
	differs string // why it differs on purpose
	flags   []string
}

// remark finds the comments that are for this test. The delimiters can be any.
var remark = regexp.MustCompile(`/\* (differs|flags): (.*) \*/`)

// The words that stand for directories.
var dataWord, outWord = regexp.MustCompile(`\bDATA\b`), regexp.MustCompile(`\bOUT\b`)

func templateCases(t *testing.T) []templateCase {
	t.Helper()
	paths, err := filepath.Glob("testdata/compat/*.tmpl")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	var cases []templateCase
	for _, path := range paths {
		c := templateCase{name: strings.TrimSuffix(filepath.Base(path), ".tmpl")}
		if c.text, err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
		for _, m := range remark.FindAllSubmatch(c.text, -1) {
			if string(m[1]) == "differs" {
				c.differs = string(m[2])
			} else {
				c.flags = strings.Fields(string(m[2]))
			}
		}
		cases = append(cases, c)
	}
	return cases
}

// judge compares what consul-template and ctmpl have made of a case.
func (c templateCase) judge(t *testing.T, want, got rendering) {
	t.Helper()
	diff := cmp.Diff(want, got)
	switch {
	case c.differs != "" && diff == "":
		t.Error("does not differ any more: drop the comment")
	case c.differs != "":
		return
	case diff != "":
		t.Errorf("(-consul-template +ctmpl)\n%s", diff)
	}
	if strings.HasSuffix(c.name, "_error") != (got.Code == exitRuntime) {
		t.Errorf("exit code %d, but the case is named %s", got.Code, c.name)
	}
}

// tally counts how cases went.
type tally struct{ same, differ, failed atomic.Int64 }

func (s *tally) add(t *testing.T, c templateCase) {
	switch {
	case t.Failed():
		s.failed.Add(1)
	case c.differs != "":
		s.differ.Add(1)
	default:
		s.same.Add(1)
	}
}

func (s *tally) String() string {
	text := fmt.Sprintf("%d same, %d different on purpose", s.same.Load(), s.differ.Load())
	if n := s.failed.Load(); n > 0 {
		text += fmt.Sprintf(", %d failed", n)
	}
	return text
}

// rendering is what a run left behind.
type rendering struct {
	Code   int
	Output string // "none" without a file
	Files  string // path, mode and content of each file in OUT
}

// once renders a template with -once.
func once(t *testing.T, binary, addr string, text []byte, flags ...string) rendering {
	t.Helper()
	dir := t.TempDir()
	source, dest, out := filepath.Join(dir, "in.tmpl"), filepath.Join(dir, "out"), filepath.Join(dir, "files")
	if err := os.Mkdir(out, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(source, outWord.ReplaceAllLiteral(text, []byte(out)), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	args := slices.Concat([]string{"-once", "-consul-addr", addr, "-template", source + ":" + dest}, flags)
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append(os.Environ(), "CT_TEST=from the environment", "CT_EMPTY=", "CT_PATH=conf", fastExit)
	log, err := cmd.CombinedOutput()
	r := rendering{Output: "none", Files: listing(t, out)}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		r.Code = exit.ExitCode()
	case err != nil:
		t.Fatalf("%s: %v", binary, err)
	}
	if ctx.Err() != nil {
		t.Fatalf("%s did not end:\n%s", binary, log)
	}
	if content, err := os.ReadFile(dest); err == nil {
		r.Output = strings.ReplaceAll(string(content), out, "OUT")
	}
	t.Logf("%s: exit code %d\n%s", filepath.Base(binary), r.Code, log)
	return r
}
