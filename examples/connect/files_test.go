package main

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write what the story renders to testdata")

// wantFiles compares what nginx has included, and the routes of the forwarder, with what
// is kept.
func (s *story) wantFiles(t *testing.T) {
	t.Helper()
	args := s.nginx.Args("-T")
	out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).Output()
	if err != nil {
		t.Fatalf("nginx -T: %v", err)
	}
	var text strings.Builder
	for _, file := range strings.Split(string(out), "# configuration file ") {
		if name, _, _ := strings.Cut(file, ":\n"); strings.Contains(name, ".d/") {
			text.WriteString("# configuration file " + file)
		}
	}
	routes, err := os.ReadFile(s.etc("mesh/socat.routes"))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "nginx-T.conf", s.normal(text.String()))
	golden(t, "socat.routes", s.normal(string(routes)))
}

var sidecarAddr = regexp.MustCompile(`127\.0\.0\.1:2\d{4}`)

// normal puts the places of the reader into a text, in place of those of this run.
func (s *story) normal(text string) string {
	inName := func(addr string) string { return strings.ReplaceAll(addr, ":", "-") } // of an upstream
	text = strings.NewReplacer(
		s.etc(""), "/etc/nginx", filepath.Join(s.dir, "run"), "/run/mesh",
		s.socat, "127.0.0.1:9191", s.verified, "127.0.0.1:9292", s.service2, "127.0.0.1:38082", s.split, "127.0.0.1:38083",
		inName(s.socat), "127.0.0.1-9191", inName(s.service2), "127.0.0.1-38082",
	).Replace(text)
	return sidecarAddr.ReplaceAllString(text, "127.0.0.1:SIDECAR")
}

// golden compares a text with what is kept.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; go test -update writes it):\n%s", path, diff)
	}
}

// wantNoSecrets looks for keys in all logs, and for files with keys that others may read.
func (s *story) wantNoSecrets(t *testing.T) {
	t.Helper()
	keys := 0
	err := filepath.WalkDir(s.dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err != nil || info.Size() > 4<<20 { // a program
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(text), "PRIVATE KEY") {
			return err
		}
		if strings.HasSuffix(path, ".log") {
			t.Errorf("%s holds a key", path)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s holds a key and has mode %v", path, info.Mode())
		}
		keys++
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if keys == 0 && !t.Failed() {
		t.Error("no file holds a key: the search is wrong")
	}
}

// TestConfiguration has ctmpl read the files of the reader as they are.
func TestConfiguration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := build(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), filepath.Join(dir, "ctmpl"), "check", "-config", "ctmpl.hcl").CombinedOutput()
	if err != nil {
		t.Errorf("ctmpl check: %v\n%s", err, out)
	}
}
