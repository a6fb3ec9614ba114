package main

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The transcript of the README shows what the program prints.
func TestReadme(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	const prompt = "$ bin/ctmpl "
	_, rest, ok := bytes.Cut(readme, []byte(prompt))
	if !ok {
		t.Fatalf("no %q in the README", prompt)
	}
	args, rest, _ := bytes.Cut(rest, []byte("\n"))
	want, _, _ := bytes.Cut(rest, []byte("$ "))
	cmd := exec.Command(program(t), strings.Fields(string(args))...)
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), fastExit)
	got, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the README shows\n%s\nbut it is\n%s", want, got)
	}
}
