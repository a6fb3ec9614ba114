package child

import (
	"cmp"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/mattn/go-isatty"

	"github.com/ctmpl/ctmpl/render/rollout"
)

// What holds where a Spec says nothing. They are consul-template's.
const (
	DefaultKillSignal  = syscall.SIGINT
	DefaultKillTimeout = 30 * time.Second
)

// NoSignal in the place of a signal sends none. As ReloadSignal it leaves the child
// alone when something changes, as KillSignal it leaves it to be killed.
const NoSignal = syscall.Signal(-1)

// Spec is the program of exec mode.
type Spec struct {
	// Args is a program with its arguments, or one string for the shell when it
	// holds white space.
	Args []string
	Env  []string // "NAME=value", all of it; see Environ

	ReloadSignal syscall.Signal // 0 stops the child and starts it anew
	KillSignal   syscall.Signal // DefaultKillSignal when 0
	KillTimeout  time.Duration  // from the kill signal to SIGKILL; DefaultKillTimeout when 0
	Splay        time.Duration  // a reload waits a random time up to this

	// Stdin, Stdout and Stderr are those of this process when nil.
	Stdin, Stdout, Stderr *os.File
}

var errNoCommand = errors.New("the child to run has no command")

// filled is the spec with what it left to defaults.
func (s Spec) filled() (Spec, error) {
	if len(s.Args) == 0 || strings.TrimSpace(s.Args[0]) == "" {
		return s, errNoCommand
	}
	s.KillSignal = cmp.Or(s.KillSignal, DefaultKillSignal)
	s.KillTimeout = cmp.Or(s.KillTimeout, DefaultKillTimeout)
	s.Stdin, s.Stdout, s.Stderr = cmp.Or(s.Stdin, os.Stdin), cmp.Or(s.Stdout, os.Stdout), cmp.Or(s.Stderr, os.Stderr)
	if s.Env == nil {
		s.Env = []string{} // nil would be the whole environment of this process
	}
	return s, nil
}

// command is what to run, and how it is to be signalled.
func (s Spec) command() (cmd *exec.Cmd, shell, group bool) {
	argv, shell := rollout.Argv(s.Args)
	cmd = exec.Command(argv[0], argv[1:]...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = s.Env, s.Stdin, s.Stdout, s.Stderr
	// A group in the background is stopped by the system when it reads from the
	// terminal. consul-template gives none to a command without a shell.
	group = shell || !isatty.IsTerminal(s.Stdin.Fd())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: group}
	return cmd, shell, group
}

// delay is how long the next reload waits.
func (s Spec) delay() time.Duration {
	if s.Splay <= 0 {
		return 0
	}
	return rand.N(s.Splay)
}

// String is the command as the user wrote it.
func (s Spec) String() string { return strings.Join(s.Args, " ") }
