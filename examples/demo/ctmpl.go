package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// stopTime is how long ctmpl has to end by itself.
const stopTime = 10 * time.Second

// ctmpl is the program that the demo is about, as a process of its own.
type ctmpl struct {
	log  *journal // what it prints
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // of its end; to be read after done
}

// startCtmpl starts the program in the directory of the workplace. What env holds
// goes over the environment of this process.
func startCtmpl(w *workplace, env []string, args ...string) (*ctmpl, error) {
	c := &ctmpl{log: &journal{}, cmd: exec.Command(w.program(), args...), done: make(chan struct{})}
	c.cmd.Dir = w.dir
	c.cmd.Env = append(os.Environ(), env...)
	c.cmd.Stdout, c.cmd.Stderr = c.log, c.log
	c.cmd.WaitDelay = time.Second // for what a command of it leaves behind
	c.cmd.SysProcAttr = childAttr()
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start ctmpl: %w", err)
	}
	go func() {
		defer close(c.done)
		c.err = c.cmd.Wait()
	}()
	return c, nil
}

// ended gives the error of a program that was to stay and has not; nil while it
// runs.
func (c *ctmpl) ended() error {
	select {
	case <-c.done:
		return fmt.Errorf("ctmpl has ended (%s), its last lines:%s", c.cmd.ProcessState, c.log.tail())
	default:
		return nil
	}
}

// watch ends ctx, through cancel, when the program ends.
func (c *ctmpl) watch(ctx context.Context, cancel context.CancelCauseFunc) {
	go func() {
		select {
		case <-c.done:
			cancel(c.ended())
		case <-ctx.Done():
		}
	}()
}

// stop ends the program as its user would, or without mercy once hurry has ended.
func (c *ctmpl) stop(hurry context.Context) error {
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // an error means that it has ended
	ctx, cancel := context.WithTimeout(hurry, stopTime)
	defer cancel()
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
	}
	_ = c.cmd.Process.Kill()
	<-c.done
	if hurry.Err() == nil {
		return fmt.Errorf("ctmpl did not end within %s and was killed, its last lines:%s", stopTime, c.log.tail())
	}
	return nil
}
