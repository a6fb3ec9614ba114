package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers/installed"
)

func TestParse(t *testing.T) {
	tests := map[string]struct {
		names    []string
		optional bool
	}{
		"":                       {names: []string{"nginx", "nginx-lua", "consul", "consul-template", "staticcheck", "benchstat"}},
		"consul":                 {names: []string{"consul"}},
		"-optional nginx":        {names: []string{"nginx"}, optional: true},
		"nginx -optional":        {names: []string{"nginx"}, optional: true},
		"consul -optional nginx": {names: []string{"consul", "nginx"}, optional: true},
	}
	for line, want := range tests {
		got, err := parse(strings.Fields(line), io.Discard)
		if err != nil {
			t.Errorf("%q: %v", line, err)
		}
		if !slices.Equal(got.names, want.names) || got.optional != want.optional {
			t.Errorf("%q: got %+v, want %+v", line, got, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	if _, err := parse([]string{"apache"}, io.Discard); err == nil || !strings.Contains(err.Error(), `"apache" is not known`) {
		t.Errorf("got %v", err)
	}
	if _, err := parse([]string{"-nope"}, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("got %v", err)
	}
}

func TestFailedCommandIsShown(t *testing.T) {
	err := runShown(exec.CommandContext(t.Context(), "sh", "-c", "echo what went wrong >&2; exit 3"), "do a thing")
	if err == nil || !strings.Contains(err.Error(), "what went wrong") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("got %v", err)
	}
}

func TestLockKeepsOthersOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "lock")
	unlock, err := lock(path)
	if err != nil {
		t.Fatal(err)
	}
	second := make(chan func())
	go func() {
		unlock, err := lock(path)
		if err != nil {
			t.Error(err)
		}
		second <- unlock
	}()
	select {
	case <-second:
		t.Fatal("two hold the lock")
	case <-time.After(50 * time.Millisecond):
	}
	unlock()
	(<-second)()
}

func TestDenyServices(t *testing.T) {
	policy := filepath.Join(t.TempDir(), "policy-rc.d")
	allow, err := denyServices(policy)
	if err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := exec.Command("sh", policy).Run(); !errors.As(err, &exit) || exit.ExitCode() != 101 {
		t.Errorf("the policy answers %v, want exit code 101", err)
	}
	allow()
	if _, err := os.Stat(policy); !os.IsNotExist(err) {
		t.Errorf("the policy is still there: %v", err)
	}
}

func TestDenyServicesKeepsPolicy(t *testing.T) {
	policy := filepath.Join(t.TempDir(), "policy-rc.d")
	if err := os.WriteFile(policy, []byte("theirs"), 0o755); err != nil {
		t.Fatal(err)
	}
	allow, err := denyServices(policy)
	if err != nil {
		t.Fatal(err)
	}
	allow()
	if got, err := os.ReadFile(policy); err != nil || string(got) != "theirs" {
		t.Errorf("the policy is now %q, %v", got, err)
	}
}

func TestOptionalNginxIsAWarning(t *testing.T) {
	t.Setenv("PATH", t.TempDir()) // no apt-get
	find := findNginx
	t.Cleanup(func() { findNginx = find })
	findNginx = func(context.Context) (installed.Nginx, error) {
		return installed.Nginx{}, errors.New("not here")
	}
	var out strings.Builder
	if err := run(t.Context(), []string{"-optional", "nginx"}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out.String(), "nginx: not available, going on without it: ") {
		t.Errorf("got %q", out.String())
	}
	if err := run(t.Context(), []string{"nginx"}, &out, io.Discard); err == nil {
		t.Error("no error without -optional")
	}
}
