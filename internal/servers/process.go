package servers

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ctmpl/ctmpl/internal/spawn"
)

// stopTime is how long a server has to end on its own before it is killed.
const stopTime = 10 * time.Second

// againTime is when it is asked once more: consul loses a signal that comes when
// it has only just been started.
const againTime = time.Second

// process is one server that runs in the foreground, with its output in a file.
type process struct {
	name string
	log  string // path of the file with standard output and error
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended and was waited for
	err  error         // of Wait; to be read after done

	mu     sync.Mutex
	reaped bool // the number may belong to another process by now
}

// command is what to start.
type command struct {
	name string // for messages
	argv []string
	log  string // appended to
	// onParentDeath is the signal the server gets when this process dies. A
	// server with children of its own must end them on this signal.
	onParentDeath syscall.Signal
}

// startProcess starts the command in a process group of its own.
func startProcess(c command) (*process, error) {
	log, err := os.OpenFile(c.log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", c.name, err)
	}
	defer log.Close() // the child has its own
	cmd := exec.Command(c.argv[0], c.argv[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir = filepath.Dir(c.log)
	cmd.SysProcAttr = childAttr(c.onParentDeath)
	if err := spawn.Start(cmd); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.name, err)
	}
	p := &process{name: c.name, log: c.log, cmd: cmd, done: make(chan struct{})}
	go p.wait()
	return p, nil
}

// wait ends with the process. What the process leaves behind in its group, as
// nginx leaves its workers when it is killed, is killed while the number of the
// group cannot belong to anybody else yet.
func (p *process) wait() {
	awaited := awaitExit(p.pid())
	if awaited {
		p.killGroup()
		p.mu.Lock()
	}
	p.err = p.cmd.Wait()
	if !awaited {
		p.mu.Lock()
	}
	p.reaped = true
	p.mu.Unlock()
	close(p.done)
}

func (p *process) killGroup() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		_ = syscall.Kill(-p.pid(), syscall.SIGKILL)
	}
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// running says whether the process has not ended yet.
func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// signal sends sig to the process, and to no other that may have its number by
// now.
func (p *process) signal(sig os.Signal) error {
	err := p.cmd.Process.Signal(sig)
	if errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("%s has ended (%s)", p.name, p.exit())
	}
	return err
}

// freeze returns when the process does nothing more.
func (p *process) freeze() error {
	if err := p.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	awaitStop(p.pid())
	return nil
}

// stop asks the process to end with sig, kills its group after stopTime, and
// returns when it has ended.
func (p *process) stop(sig os.Signal) error {
	if p == nil || !p.running() {
		return nil
	}
	deadline := time.Now().Add(stopTime)
	for time.Now().Before(deadline) {
		_ = p.signal(sig) // an error means that it has just ended
		_ = p.signal(syscall.SIGCONT)
		select {
		case <-p.done:
			return nil
		case <-time.After(againTime):
		}
	}
	p.kill()
	return fmt.Errorf("%s did not end within %s of %s and was killed%s", p.name, stopTime, sig, p.tail())
}

// kill ends the process and its group at once, as a crash would.
func (p *process) kill() {
	if p == nil || !p.running() {
		return
	}
	p.killGroup()
	<-p.done
}

// exit says how the process has ended.
func (p *process) exit() string {
	<-p.done
	if p.err != nil {
		return p.err.Error()
	}
	return "exit status 0"
}

// tail gives the end of the log for an error message.
func (p *process) tail() string { return tailOf(p.log) }

// tailLines is enough to see why a server did not start.
const tailLines = 25

// tailOf gives the last lines of a log under a line that names it.
func tailOf(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "\nno log: " + err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	if len(lines) > tailLines {
		lines = lines[len(lines)-tailLines:]
	}
	return fmt.Sprintf("\nend of %s:\n\t%s", filepath.Base(path), strings.Join(lines, "\n\t"))
}
