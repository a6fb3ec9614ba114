package main

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// 9: demand puts its request before it listens for SIGINT (and stops to listen before it
// withdraws it): a signal in between leaves the request, which is served later. Run with
// -count=20.
func TestARollbackThatIsInterruptedAtOnce(t *testing.T) {
	t.Parallel()
	l := newLodger(t)
	l.start()
	l.run.expect("1 2 3 ")
	l.catalog(1, 2, 3, 4)
	l.run.expect("1 2 3 4 ")
	l.becomes("^  good output 2 .* live$")
	_ = l.run.cmd.Process.Signal(syscall.SIGSTOP)
	defer func() { _ = l.run.cmd.Process.Signal(syscall.SIGCONT) }()
	cmd := exec.Command(program(t), "rollback", "-config", "ctmpl.hcl")
	cmd.Dir, cmd.Env = l.dir, append(os.Environ(), fastExit)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	servers.Eventually(t, wait, func() error {
		if l.requests() == 0 {
			return errors.New("nothing is asked for")
		}
		return nil
	})
	_ = cmd.Process.Signal(os.Interrupt)
	if code := exitCode(cmd.Wait()); code != exitRuntime || l.requests() > 0 {
		t.Errorf("exit code %d, %d requests are left", code, l.requests())
	}
}
