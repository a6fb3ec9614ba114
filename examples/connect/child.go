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

// child is a program that runs, with its output in a file.
type child struct {
	name string
	log  string // path
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// endTime is how long a child may take to end by itself.
const endTime = 10 * time.Second

// startChild starts a program in dir.
func startChild(dir, name, binary string, args ...string) (*child, error) {
	c := &child{name: name, log: filepath.Join(dir, name+".log"), cmd: exec.Command(binary, args...), done: make(chan struct{})}
	log, err := os.OpenFile(c.log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own
	c.cmd.Dir, c.cmd.Stdout, c.cmd.Stderr = dir, log, log
	c.cmd.Env = append(os.Environ(), "STATE_DIRECTORY="+filepath.Join(dir, "state"))
	c.cmd.SysProcAttr = childAttr()
	if err := spawn.Start(c.cmd); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		defer close(c.done)
		_ = c.cmd.Wait() // ProcessState says it better
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

// freeze keeps it from doing anything, while its sockets stay open.
func (c *child) freeze() error { return c.cmd.Process.Signal(syscall.SIGSTOP) }

// thaw ends a freeze.
func (c *child) thaw() error { return c.cmd.Process.Signal(syscall.SIGCONT) }

// kill ends it at once, as a crash would.
func (c *child) kill() {
	_ = c.cmd.Process.Kill() // an error means that it has ended
	<-c.done
}

// stop asks it to end, which has to work.
func (c *child) stop() error {
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	_ = c.thaw()
	select {
	case <-c.done:
		return nil
	case <-time.After(endTime):
	}
	c.kill()
	return fmt.Errorf("%s did not end within %s of SIGTERM and was killed:\n%s", c.name, endTime, c.tail())
}

// said gives what it has said so far.
func (c *child) said() string {
	text, err := os.ReadFile(c.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// tail gives the end of that.
func (c *child) tail() string {
	text := c.said()
	const enough = 6 << 10
	return text[max(0, len(text)-enough):]
}

// count gives how many lines have the text.
func count(log, text string) (n int) {
	for line := range strings.Lines(log) {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// build builds the programs of this repository that the story needs into dir.
func build(ctx context.Context, dir string) error {
	const module = "github.com/ctmpl/ctmpl/"
	if err := servers.Build(ctx, dir, module+"cmd/ctmpl", module+"examples/connect/forwarder"); err != nil {
		return fmt.Errorf("build ctmpl and forwarder: %w", err)
	}
	return nil
}
