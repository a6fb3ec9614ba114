package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers/installed"
)

// buildTool builds a Go program from its pinned module unless it is there.
func buildTool(ctx context.Context, tool installed.Tool, stderr io.Writer) (string, error) {
	version, err := tool.Version()
	if err != nil {
		return "", err
	}
	label := tool.Name + " " + version
	if _, err := tool.Find(); err == nil {
		return label + ": already there", nil
	}
	path, err := tool.Path()
	if err != nil {
		return "", err
	}
	unlock, err := lock(path + ".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := tool.Find(); err == nil { // built while we waited for the lock
		return label + ": already there", nil
	}
	fmt.Fprintf(stderr, "%s: building (once; minutes on a small machine)\n", label)
	start := time.Now()
	if err := compile(ctx, tool, path); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s: built in %.0f s", label, time.Since(start).Seconds()), nil
}

// compile builds in a directory of its own and renames, so that path is either
// missing or whole. The caller holds the lock.
func compile(ctx context.Context, tool installed.Tool, path string) error {
	dir, err := tool.Dir()
	if err != nil {
		return err
	}
	temp, err := tempDir(path)
	if err != nil {
		return fmt.Errorf("build %s: %w", tool.Name, err)
	}
	defer os.RemoveAll(temp)
	binary := filepath.Join(temp, tool.Name)
	cmd := exec.CommandContext(ctx, "go", "build", "-mod=readonly", "-trimpath", "-ldflags=-s -w", "-o", binary, tool.Package)
	cmd.Dir = dir
	// GOWORK=off: the tool modules are in no workspace of the user's.
	// CGO_ENABLED=0: none of them needs a C compiler.
	// GOTMPDIR: go build leaves its files behind when it is interrupted.
	cmd.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0", "GOTMPDIR="+temp, "PWD="+dir)
	if err := runShown(cmd, "build "+tool.Name); err != nil {
		return err
	}
	return os.Rename(binary, path)
}

// tempDir makes a new directory beside path, and removes those that builds have
// left which were killed.
func tempDir(path string) (string, error) {
	pattern := path + ".build-*"
	old, err := filepath.Glob(pattern)
	if err != nil {
		return "", err
	}
	for _, dir := range old {
		if err := os.RemoveAll(dir); err != nil {
			return "", err
		}
	}
	return os.MkdirTemp(filepath.Dir(path), filepath.Base(pattern))
}

// runShown runs a command and puts its output into the error when it fails. When
// its context ends the command is interrupted, not killed, so that dpkg can leave
// the packages in order.
func runShown(cmd *exec.Cmd, what string) error {
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 30 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s (%s): %w\n%s", what, filepath.Base(cmd.Path), err, out)
	}
	return nil
}
