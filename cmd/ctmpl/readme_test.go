package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// between gives what stands in the README behind one text and before another.
func between(t *testing.T, before, after string) string {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := bytes.Cut(readme, []byte(before))
	text, _, closed := bytes.Cut(rest, []byte(after))
	if !ok || !closed {
		t.Fatalf("there is no %q, and %q behind it, in the README", before, after)
	}
	return string(text)
}

// The transcript of the README shows what the program prints.
func TestReadme(t *testing.T) {
	t.Parallel()
	args, want, _ := strings.Cut(between(t, "$ bin/ctmpl ", "$ "), "\n")
	cmd := exec.Command(program(t), strings.Fields(args)...)
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), fastExit)
	got, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("the README shows\n%s\nbut it is\n%s", want, got)
	}
}

// The configuration of the README can be used, with the template of the README.
func TestReadmeConfig(t *testing.T) {
	t.Parallel()
	first, err := filepath.Abs("../../examples/first")
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "ctmpl.hcl")
	text := strings.ReplaceAll(between(t, "```hcl\n", "```"), "/etc/ctmpl", first)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program(t), "-once", "-dry", "-config", config, "-catalog", filepath.Join(first, "catalog.hcl"))
	cmd.Env = append(os.Environ(), fastExit)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if _, body, _ := strings.Cut(between(t, "$ bin/ctmpl ", "$ "), "> upstreams.conf\n"); !strings.HasSuffix(string(out), body) {
		t.Errorf("the README shows\n%s\nbut it is\n%s", body, out)
	}
}
