package child

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/ctmpl/ctmpl/internal/spawn"
)

const (
	// killedFor is how long a group that was killed may take to be gone.
	killedFor = time.Second
	// firstLook and longestLook bound the pause between two looks at a group.
	firstLook   = 5 * time.Millisecond
	longestLook = 100 * time.Millisecond
)

// process is one run of the child.
type process struct {
	cmd   *exec.Cmd
	spec  Spec
	log   *slog.Logger
	shell bool            // signals are for the whole group
	group bool            // it leads a group of its own
	mercy context.Context // while it lasts, the process has time to end
	ended chan struct{}
}

func start(mercy context.Context, spec Spec, log *slog.Logger) (*process, error) {
	cmd, shell, group := spec.command()
	if err := spawn.Start(cmd); err != nil {
		return nil, err
	}
	p := &process{mercy: mercy, cmd: cmd, spec: spec, log: log, shell: shell, group: group, ended: make(chan struct{})}
	log.Info("started the child", "command", spec.String(), "pid", p.pid())
	go p.wait()
	return p, nil
}

func (p *process) wait() {
	_ = p.cmd.Wait() // what it says is in the state of the process, too
	p.log.Info("the child has ended", "pid", p.pid(), "code", p.code(), "state", p.cmd.ProcessState.String())
	close(p.ended)
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// code is the exit code, as a shell would tell it.
func (p *process) code() int {
	state := p.cmd.ProcessState
	if state == nil {
		return NoCode
	}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}

// signal sends a signal and tells whether it did, which is not so when the process
// has ended: its number may be another's.
func (p *process) signal(s syscall.Signal) bool {
	if p.hasEnded() || s == NoSignal {
		return false
	}
	var err error
	if p.shell {
		err = syscall.Kill(-p.pid(), s)
	} else {
		err = p.cmd.Process.Signal(s)
	}
	if err != nil && !errors.Is(err, os.ErrProcessDone) && !errors.Is(err, syscall.ESRCH) {
		p.log.Warn("the child could not be signalled", "signal", signalName(s), "pid", p.pid(), "error", err)
	}
	return err == nil
}

func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// end asks the process to end, kills it when it does not, and returns when it is
// gone with all of its group.
func (p *process) end() {
	ctx, cancel := p.patience()
	defer cancel()
	asked := p.signal(p.spec.KillSignal)
	select {
	case <-p.ended:
		p.clearWithin(ctx, asked && p.shell)
	case <-ctx.Done():
		p.kill()
	}
}

// clear ends what an ended process has left behind in its group.
func (p *process) clear() {
	ctx, cancel := p.patience()
	defer cancel()
	p.clearWithin(ctx, false)
}

// patience lasts from the kill signal to SIGKILL.
func (p *process) patience() (context.Context, context.CancelFunc) {
	return context.WithTimeout(p.mercy, p.spec.KillTimeout)
}

// clearWithin gives the rest of the group until the end of ctx to end. asked says
// that they got the kill signal.
func (p *process) clearWithin(ctx context.Context, asked bool) {
	if !p.group {
		return
	}
	rest := members(p.pid())
	for _, m := range rest {
		switch {
		case m.ignores(p.spec.KillSignal):
			// As the shell has it with SIGINT for what it starts in the background.
			_ = syscall.Kill(m.pid, syscall.SIGTERM)
		case !asked && p.spec.KillSignal != NoSignal:
			_ = syscall.Kill(m.pid, p.spec.KillSignal)
		}
	}
	if len(rest) > 0 && !p.empty(ctx) {
		p.kill()
	}
}

// kill kills the process with its group, and waits for it.
func (p *process) kill() {
	p.log.Warn("the child, or what it started, does not end: killing it", "pid", p.pid(), "after", p.spec.KillTimeout)
	if !p.group {
		_ = p.cmd.Process.Kill()
		<-p.ended
		return
	}
	_ = syscall.Kill(-p.pid(), syscall.SIGKILL)
	<-p.ended
	ctx, cancel := context.WithTimeout(context.Background(), killedFor)
	defer cancel()
	p.empty(ctx)
}

// empty waits until nobody is left in the group, and tells whether that is so.
func (p *process) empty(ctx context.Context) bool {
	for pause := firstLook; ; pause = min(2*pause, longestLook) {
		if len(members(p.pid())) == 0 {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pause):
		}
	}
}
