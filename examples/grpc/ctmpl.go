package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
	"github.com/ctmpl/ctmpl/internal/spawn"
)

// buildCtmpl builds the program of this repository into dir.
func buildCtmpl(ctx context.Context, dir string) (string, error) {
	const module = "github.com/ctmpl/ctmpl"
	top, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		return "", fmt.Errorf("find the module of ctmpl: %w", err)
	}
	if err := servers.BuildFrom(ctx, strings.TrimSpace(string(top)), dir, module+"/cmd/ctmpl"); err != nil {
		return "", fmt.Errorf("build ctmpl: %w", err)
	}
	return filepath.Join(dir, "ctmpl"), nil
}

// runOnce has ctmpl render and end.
func runOnce(ctx context.Context, binary string, args []string) error {
	cmd := exec.CommandContext(ctx, binary, append([]string{"-once"}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return nil
}

// daemon is a ctmpl that runs, with its output in a file.
type daemon struct {
	log  string // path
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// endTime is how long ctmpl may take to end by itself.
const endTime = 10 * time.Second

func startDaemon(dir, binary string, args []string) (*daemon, error) {
	log, err := os.Create(filepath.Join(dir, "ctmpl.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own
	cmd := exec.Command(binary, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = dir, log, log, childAttr()
	if err := spawn.Start(cmd); err != nil {
		return nil, fmt.Errorf("start ctmpl: %w", err)
	}
	d := &daemon{log: log.Name(), cmd: cmd, done: make(chan struct{})}
	go func() {
		defer close(d.done)
		_ = cmd.Wait() // ProcessState says it better
	}()
	return d, nil
}

// bound gives a context that ends when ctmpl does.
func (d *daemon) bound(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-d.done:
			cancel(fmt.Errorf("ctmpl has ended: %s", d.cmd.ProcessState))
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// stop asks ctmpl to end, which has to work.
func (d *daemon) stop() error {
	_ = d.cmd.Process.Signal(syscall.SIGTERM) // an error means that it has ended
	select {
	case <-d.done:
		return nil
	case <-time.After(endTime):
	}
	return errors.Join(fmt.Errorf("ctmpl did not end within %s of SIGTERM", endTime), d.cmd.Process.Kill())
}

// said gives what ctmpl has said so far.
func (d *daemon) said() string {
	text, err := os.ReadFile(d.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
