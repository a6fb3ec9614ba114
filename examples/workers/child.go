package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
	"github.com/ctmpl/ctmpl/internal/spawn"
)

// build builds a program of this repository into dir.
func build(ctx context.Context, dir, pkg string) (string, error) {
	if err := servers.Build(ctx, dir, "github.com/ctmpl/ctmpl/"+pkg); err != nil {
		return "", fmt.Errorf("build %s: %w", pkg, err)
	}
	return filepath.Join(dir, filepath.Base(pkg)), nil
}

// child is a ctmpl or a worker that runs, with its output in a file.
type child struct {
	name string
	log  string // path
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// endTime is how long a child may take to end by itself.
const endTime = 10 * time.Second

func startChild(dir, name, binary string, args ...string) (*child, error) {
	log, err := os.OpenFile(filepath.Join(dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own
	cmd := exec.Command(binary, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = dir, log, log, childAttr()
	if err := spawn.Start(cmd); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	c := &child{name: name, log: log.Name(), cmd: cmd, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		_ = cmd.Wait() // ProcessState says it better
	}()
	return c, nil
}

// bound gives a context that ends when the child does.
func (c *child) bound(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-c.done:
			cancel(fmt.Errorf("%s has ended: %s", c.name, c.cmd.ProcessState))
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// terminate asks the child to end.
func (c *child) terminate() { _ = c.cmd.Process.Signal(syscall.SIGTERM) } // an error means that it has ended

// stop has the child end, which has to work.
func (c *child) stop() error {
	c.terminate()
	select {
	case <-c.done:
		return nil
	case <-time.After(endTime):
	}
	c.kill()
	return fmt.Errorf("%s did not end within %s of SIGTERM and was killed", c.name, endTime)
}

// kill ends the child as kill -9 does.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	<-c.done
}

// said gives what the child has said so far.
func (c *child) said() string {
	text, err := os.ReadFile(c.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
