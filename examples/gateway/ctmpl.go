package main

import (
	"context"
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
	if err := servers.Build(ctx, dir, "github.com/ctmpl/ctmpl/cmd/ctmpl"); err != nil {
		return "", fmt.Errorf("build ctmpl: %w", err)
	}
	return filepath.Join(dir, "ctmpl"), nil
}

// runOnce renders all templates once. The program may be consul-template too.
func runOnce(ctx context.Context, dir, binary string, env []string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, append([]string{"-once"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), stateIn(dir)), env...)
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

func startDaemon(dir, binary string, env []string, args ...string) (*daemon, error) {
	path := filepath.Join(dir, "ctmpl.log")
	log, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own
	cmd := exec.Command(binary, args...)
	cmd.Dir, cmd.Env = dir, append(append(os.Environ(), stateIn(dir)), env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = childAttr()
	d := &daemon{log: path, cmd: cmd, done: make(chan struct{})}
	if err := spawn.Start(cmd); err != nil {
		return nil, fmt.Errorf("start ctmpl: %w", err)
	}
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
	_ = d.cmd.Process.Kill()
	<-d.done
	return fmt.Errorf("ctmpl did not end within %s of SIGTERM and was killed:\n%s", endTime, d.tail())
}

// said gives what ctmpl has said so far.
func (d *daemon) said() string {
	text, err := os.ReadFile(d.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// tail gives the end of that.
func (d *daemon) tail() string {
	text := d.said()
	const enough = 8 << 10
	return text[max(0, len(text)-enough):]
}

// stateIn has ctmpl keep its state in the directory of the example.
func stateIn(dir string) string { return "STATE_DIRECTORY=" + filepath.Join(dir, "state") }
