package rollout

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/mattn/go-isatty"
)

// Command is what to run when a file has changed. The zero value is none.
type Command struct {
	// Args is a program with its arguments, or one string for the shell when it
	// holds white space.
	Args    []string
	Timeout time.Duration // 30 s when 0
	Env     []string      // "NAME=value", all of it; that of this process when nil

	// When it has taken too long the command gets KillSignal, SIGTERM when 0, and
	// SIGKILL after KillTimeout, 2 s when 0.
	KillSignal  syscall.Signal
	KillTimeout time.Duration

	// Setting is what bounds its time in the configuration, for messages;
	// command_timeout when empty.
	Setting string
	// Quiet keeps what it prints for the error alone.
	Quiet bool
}

const (
	defaultTimeout     = 30 * time.Second
	defaultKillSignal  = syscall.SIGTERM
	defaultKillTimeout = 2 * time.Second
	// outputMax is how much of a command's output an error holds: the end of it.
	outputMax = 4 << 10
	// drainFor is how long output may still arrive after a command has ended. One
	// that leaves a child with its output behind never closes it.
	drainFor = 100 * time.Millisecond
	// drainLong is that for a command that has failed: its output says why, and may take
	// its time on a busy machine.
	drainLong = 2 * time.Second
)

// None tells whether there is nothing to run.
func (c Command) None() bool { return len(c.Args) == 0 || len(c.Args) == 1 && c.Args[0] == "" }

// Limit is how long the command may take.
func (c Command) Limit() time.Duration {
	if c.Timeout <= 0 {
		return defaultTimeout
	}
	return c.Timeout
}

// Key is equal for equal commands.
func (c Command) Key() string { return strings.Join(c.Args, "\x00") }

// String is the command as the user wrote it.
func (c Command) String() string { return strings.Join(c.Args, " ") }

// CommandError is a command that failed or took too long.
type CommandError struct {
	Output string // the end of what it printed
	Err    error
}

func (e *CommandError) Error() string {
	if e.Output == "" {
		return e.Err.Error() + " (it printed nothing)"
	}
	return fmt.Sprintf("%s: it printed: %s", e.Err, e.Output)
}

// Unwrap gives the cause.
func (e *CommandError) Unwrap() error { return e.Err }

// Run runs the command in a process group of its own. It has the standard input of
// this process, unless that is a terminal; what it prints goes to its stdout and
// stderr. When it takes too long, or when ctx ends, the
// group is ended. The error is a *CommandError.
func (c Command) Run(ctx context.Context) error {
	timeout := c.Limit()
	cmd := c.command()
	out, err := capture(cmd, c.Quiet)
	if err != nil {
		return &CommandError{Err: err}
	}
	if err := cmd.Start(); err != nil {
		out.close()
		return &CommandError{Err: err}
	}
	out.started()
	p := &process{cmd: cmd, signal: cmp.Or(c.KillSignal, defaultKillSignal), patience: cmp.Or(c.KillTimeout, defaultKillTimeout), ended: make(chan struct{})}
	go p.wait()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-p.ended:
		err = p.err
	case <-timer.C:
		p.stop()
		err = fmt.Errorf("it was ended after %s (%s)", timeout, cmp.Or(c.Setting, "command_timeout"))
	case <-ctx.Done():
		p.stop()
		err = ctx.Err()
	}
	if err == nil {
		out.drain(drainFor)
		return nil
	}
	out.drain(drainLong)
	return &CommandError{Output: out.tail(), Err: err}
}

func (c Command) command() *exec.Cmd {
	args, _ := Argv(c.Args)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = c.Env
	if !isatty.IsTerminal(os.Stdin.Fd()) { // a group in the background that reads from there is stopped
		cmd.Stdin = os.Stdin
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// Argv is what args run as: themselves, or the shell with them when they are one
// string that holds white space. shell tells which.
func Argv(args []string) (argv []string, shell bool) {
	if len(args) != 1 || !strings.ContainsAny(args[0], " \t\n") {
		return args, false
	}
	sh := "sh"
	if _, err := exec.LookPath(sh); err != nil {
		sh = "/bin/sh" // in an environment without PATH
	}
	return []string{sh, "-c", args[0]}, true
}

// process is a command under way, the leader of its process group.
type process struct {
	cmd      *exec.Cmd
	signal   syscall.Signal // that asks it to end
	patience time.Duration  // from that to SIGKILL
	ended    chan struct{}
	err      error // once ended is closed
}

func (p *process) wait() {
	p.err = p.cmd.Wait()
	close(p.ended)
}

// stop ends the process group and waits for its leader.
func (p *process) stop() {
	_ = syscall.Kill(-p.cmd.Process.Pid, p.signal)
	timer := time.NewTimer(p.patience)
	defer timer.Stop()
	select {
	case <-p.ended:
	case <-timer.C:
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // children that are left, too
	<-p.ended
}

// output passes on what a command prints and keeps the end of it. The command
// gets the ends of pipes as they are, so that waiting for it does not also wait
// for children that it leaves behind with its output.
type output struct {
	mu      sync.Mutex
	kept    []byte
	copying sync.WaitGroup
	readers []*os.File
	writers []*os.File
	targets []io.Writer
}

func capture(cmd *exec.Cmd, quiet bool) (*output, error) {
	o := &output{}
	for _, stream := range []struct {
		set    *io.Writer
		target io.Writer
	}{{&cmd.Stdout, os.Stdout}, {&cmd.Stderr, os.Stderr}} {
		r, w, err := os.Pipe()
		if err != nil {
			o.close()
			return nil, err
		}
		if *stream.set = w; quiet {
			stream.target = io.Discard
		}
		o.readers, o.writers, o.targets = append(o.readers, r), append(o.writers, w), append(o.targets, stream.target)
	}
	return o, nil
}

// started begins to copy, once the command has its ends of the pipes.
func (o *output) started() {
	for i, r := range o.readers {
		_ = o.writers[i].Close()
		target := o.targets[i]
		o.copying.Go(func() {
			defer r.Close()
			_, _ = io.Copy(io.MultiWriter(o, passOn{target}), r)
		})
	}
}

func (o *output) close() {
	for _, f := range append(o.readers, o.writers...) {
		_ = f.Close()
	}
}

// Write keeps the end of what is written.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.kept = append(o.kept, p...)
	if extra := len(o.kept) - outputMax; extra > 0 {
		o.kept = append(o.kept[:0], o.kept[extra:]...)
	}
	return len(p), nil
}

// passOn writes to a stream that may be closed: the command is not to suffer.
type passOn struct{ w io.Writer }

func (p passOn) Write(b []byte) (int, error) {
	_, _ = p.w.Write(b)
	return len(b), nil
}

// drain waits for what is still on its way. Copying goes on by itself only where
// a child that was left behind holds the output open.
func (o *output) drain(longest time.Duration) {
	done := make(chan struct{})
	go func() { o.copying.Wait(); close(done) }()
	timer := time.NewTimer(longest)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}

// tail gives what was kept, as one line.
func (o *output) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	lines := strings.FieldsFunc(strings.ToValidUTF8(string(o.kept), "?"), func(r rune) bool { return r == '\n' || r == '\r' })
	return strings.TrimSpace(strings.Join(lines, " | "))
}
