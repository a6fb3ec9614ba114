package main

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what is compared to testdata")

// golden compares a text with the one that is kept.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := readFile(t, path); got != want {
		t.Errorf("this is not %s (-update writes it anew):\n%s", path, got)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var listens = regexp.MustCompile(`listen 127\.0\.0\.1:\d+`)

// shown gives what nginx reads (-T) without what differs from run to run.
func (s *story) shown(t *testing.T) string {
	t.Helper()
	args := s.nginx.Args("-T")
	out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).Output()
	if err != nil {
		t.Fatalf("nginx -T: %v", err)
	}
	text := strings.TrimSpace(string(out)) + "\n"
	for _, version := range s.shops {
		for _, shop := range version {
			text = strings.ReplaceAll(text, shop.Addr, "127.0.0.1:PORT-"+shop.ID)
		}
	}
	text = strings.ReplaceAll(text, s.dir, "DIR")
	return listens.ReplaceAllString(text, "listen 127.0.0.1:PORT-http")
}

// TestWithoutConsul runs what the README says, with the services of catalog.hcl.
func TestWithoutConsul(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	binary, err := buildCtmpl(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	gateway, err := runOnce(t.Context(), binary, "-dry", "-config", "ctmpl.hcl", "-catalog", "catalog.hcl")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"5% _route._canary.shop;", "server_name shop.example.com;", "proxy_pass http://$ctmpl_split_"} {
		if !strings.Contains(gateway, want) {
			t.Errorf("no %q in\n%s", want, gateway)
		}
	}
	own := filepath.Join(dir, "own.conf")
	if _, err := runOnce(t.Context(), binary, "-state-dir", filepath.Join(dir, "state"), "-catalog", "catalog.hcl", "-var", "canary_by=cookie user", "-template", "own.conf.tmpl:"+own); err != nil {
		t.Fatal(err)
	}
	golden(t, "own.conf", readFile(t, own))
}

// TestReadme wants own.conf.tmpl in the README as it is.
func TestReadme(t *testing.T) {
	t.Parallel()
	indented := "    " + strings.ReplaceAll(strings.TrimSuffix(readFile(t, "own.conf.tmpl"), "\n"), "\n", "\n    ") + "\n"
	if !strings.Contains(readFile(t, "README.md"), indented) {
		t.Errorf("README.md does not show own.conf.tmpl:\n%s", indented)
	}
}
