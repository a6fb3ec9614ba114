package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// TestConfigsAgainstConsulTemplate plays each case of testdata/compat-config with
// consul-template and with ctmpl, each in a fresh directory, on one Consul, and
// compares exit codes, standard output and all files that are left: content, mode
// and owner. A case whose first line is "# differs: …" differs on purpose. See
// script.step for what the lines of a case mean.
//
// In lines and files @ADDR@ is the agent, @WORK@ the directory, and @KEYS@ a prefix of
// keys that nobody else uses; for the others see newGates.
func TestConfigsAgainstConsulTemplate(t *testing.T) {
	t.Parallel()
	peer, err := servers.ConsulTemplatePath()
	if err != nil {
		t.Fatal(err)
	}
	// Many processors run many cases at once, all from one address.
	agent := servers.RunConsul(t, servers.ConsulOptions{Config: "limits { http_max_conns_per_client = 10000 }"})
	putKey(t, agent.Client, "app/name", "ctmpl")
	putKey(t, agent.Client, "app/port", "80")
	register(t, agent.Client, "n", "web-1", "web", 8080)
	vars := newGates(t, agent.HTTPAddr)
	var same, differ atomic.Int64
	t.Cleanup(func() {
		t.Logf("%d cases: %d same, %d different on purpose", same.Load()+differ.Load(), same.Load(), differ.Load())
	})
	for _, c := range configCases(t) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			want := c.play(t, agent.Client, peer, vars)
			got := c.play(t, agent.Client, program(t), vars)
			diff := cmp.Diff(want, got)
			switch {
			case c.differs && diff == "":
				t.Errorf("does not differ any more: drop the comment\n%v", got)
			case c.differs:
				differ.Add(1)
				t.Logf("(-consul-template +ctmpl)\n%s", diff)
			case diff != "":
				t.Errorf("(-consul-template +ctmpl)\n%s", diff)
			default:
				same.Add(1)
			}
		})
	}
}

// configCase is one file of testdata/compat-config.
type configCase struct {
	name    string
	differs bool
	lines   []string // without comments
	files   []txtar.File
}

func configCases(t *testing.T) []configCase {
	t.Helper()
	paths, err := filepath.Glob("testdata/compat-config/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	var cases []configCase
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		c := configCase{name: strings.TrimSuffix(filepath.Base(path), ".txtar"), files: archive.Files}
		text := string(archive.Comment)
		c.differs = strings.HasPrefix(text, "# differs: ")
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
				c.lines = append(c.lines, line)
			}
		}
		cases = append(cases, c)
	}
	return cases
}

// outcome is what a program did in a case.
type outcome struct {
	Steps []string          // the line, and what came of it
	Files map[string]string // path → mode, owner, content
}

// leftovers reads all files below a directory, but those that are ignored.
func leftovers(t *testing.T, dir string, ignored []string, tidy func(string) string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		name, _ := filepath.Rel(dir, path)
		if err != nil || name == "." {
			return err
		}
		for _, pattern := range ignored {
			if ok, _ := filepath.Match(pattern, name); ok {
				return nil
			}
		}
		files[name], err = describe(path, tidy)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// describe gives mode, owner and content of a file, or the target of a link.
func describe(path string, tidy func(string) string) (string, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return "", err
	}
	text := info.Mode().String()
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		text += fmt.Sprintf(" %d:%d", stat.Uid, stat.Gid)
	}
	switch {
	case info.Mode().IsRegular():
		content, err := os.ReadFile(path)
		return text + "\n" + tidy(string(content)), err
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		return text + " → " + tidy(target), err
	}
	return text, nil
}
