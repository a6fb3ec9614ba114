package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// program is one of the two while it runs.
type program struct {
	pid     int
	started time.Time
	lives   context.Context // ends when the program does; its cause says how
	done    chan struct{}
	process *os.Process
	log     bytes.Buffer // to be read when it has ended
}

// startProgram runs it with a state directory in dir, as systemd gives it, until ctx
// ends or stop is called.
func startProgram(ctx context.Context, dir, path string, args ...string) (*program, error) {
	p := &program{started: time.Now(), done: make(chan struct{})}
	cmd := exec.CommandContext(ctx, path, append([]string{"-log-level", "err"}, args...)...)
	cmd.Env = append(os.Environ(), "STATE_DIRECTORY="+filepath.Join(dir, "state"))
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Stdout, cmd.Stderr = &p.log, &p.log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p.pid, p.process = cmd.Process.Pid, cmd.Process
	lives, ended := context.WithCancelCause(ctx)
	p.lives = lives
	go func() {
		defer close(p.done)
		ended(fmt.Errorf("the program has ended: %v", cmd.Wait()))
	}()
	return p, nil
}

// stop ends the program in good order, and returns when it has ended.
func (p *program) stop() {
	_ = p.process.Signal(os.Interrupt)
	<-p.done
}

// explain ends the program, and adds what it has said to what went wrong.
func (p *program) explain(err error) error {
	p.stop()
	return fmt.Errorf("%w\n%s", err, &p.log)
}
