package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// nobody is who the ctmpl of a lodger runs as, where the tests may change to that.
const nobody = 65534

// lodger is a ctmpl that runs as a user of its own, which its directory belongs to, while
// who asks it for something is who runs the tests: root, as a rule.
type lodger struct {
	*testing.T
	dir string
	run *follower
}

const lodgerConfig = `
catalog        = "%[1]s/catalog.hcl"
state_dir      = "%[1]s/state"
history        = 9
approve_signal = "SIGUSR2"
guard {}
template {
  contents    = "{{ range service \"web\" }}{{ .Port }} {{ end }}"
  destination = "%[1]s/out"
}
`

func newLodger(t *testing.T) *lodger {
	t.Helper()
	l := &lodger{T: t, dir: t.TempDir()}
	if err := os.Chmod(filepath.Dir(l.dir), 0o755); err != nil { // which only we may look into
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", program(t), l.dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	l.write("ctmpl.hcl", fmt.Sprintf(lodgerConfig, l.dir))
	l.catalog(1, 2, 3)
	if err := os.Chown(l.dir, l.user(), -1); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *lodger) path(name string) string { return filepath.Join(l.dir, name) }

// user is who the ctmpl runs as.
func (l *lodger) user() int {
	if os.Geteuid() == 0 {
		return nobody
	}
	return os.Geteuid()
}

// write puts a file in place in one step.
func (l *lodger) write(name, text string) {
	l.Helper()
	tmp := l.path(name) + "~"
	if err := errors.Join(os.WriteFile(tmp, []byte(text), 0o644), os.Rename(tmp, l.path(name))); err != nil {
		l.Fatal(err)
	}
}

// catalog has the service web have instances with these ports.
func (l *lodger) catalog(ports ...int) {
	l.Helper()
	text := "node {\n  name    = \"n\"\n  address = \"10.0.0.1\"\n}\n"
	for _, port := range ports {
		text += fmt.Sprintf("service {\n  name = \"web\"\n  id   = \"web-%[1]d\"\n  port = %[1]d\n}\n", port)
	}
	l.write("catalog.hcl", text)
}

// start starts the ctmpl; stop ends it.
func (l *lodger) start() {
	l.Helper()
	f := &follower{t: l.T, dir: l.dir, done: make(chan error, 1)}
	f.cmd = exec.Command(l.path("ctmpl"), "-config", "ctmpl.hcl")
	f.cmd.Dir, f.cmd.Env, f.cmd.Stdout, f.cmd.Stderr = l.dir, append(os.Environ(), fastExit), &f.log, &f.log
	if os.Geteuid() == 0 {
		f.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	if err := f.cmd.Start(); err != nil {
		l.Fatal(err)
	}
	l.run = f
	go func() {
		_ = f.cmd.Wait()
		close(f.done)
	}()
	l.Cleanup(func() {
		_ = f.cmd.Process.Kill()
		<-f.done
		if l.Failed() {
			l.Logf("ctmpl:\n%s", f.log.text())
		}
	})
}

func (l *lodger) stop() {
	l.Helper()
	_ = l.run.cmd.Process.Signal(os.Interrupt)
	<-l.run.done
	if code := l.run.cmd.ProcessState.ExitCode(); code != exitInterrupt {
		l.Errorf("exit code %d\n%s", code, l.run.log.text())
	}
}

// ask runs a command of ctmpl, which is to end with a code. It gives what it prints.
func (l *lodger) ask(code int, args ...string) string {
	l.Helper()
	ctx, cancel := context.WithTimeout(l.Context(), wait) // far less than it would wait for an answer
	defer cancel()
	cmd := exec.CommandContext(ctx, program(l), append(args, "-config", "ctmpl.hcl")...)
	cmd.Dir, cmd.Env = l.dir, append(os.Environ(), fastExit)
	out, err := cmd.CombinedOutput()
	if got := exitCode(err); got != code {
		l.Fatalf("ctmpl %q: exit code %d, want %d: %s\n%s", args, got, code, out, l.run.log.text())
	}
	return string(out)
}

func (l *lodger) expectAsk(want string, code int, args ...string) {
	l.Helper()
	if got := l.ask(code, args...); !strings.Contains(got, want) {
		l.Errorf("ctmpl %q: got %q, want %q", args, got, want)
	}
}

// becomes waits until the status matches.
func (l *lodger) becomes(want string) {
	l.Helper()
	re := regexp.MustCompile("(?m)" + want)
	servers.Eventually(l, wait, func() error {
		if got := l.ask(exitOK, "status"); !re.MatchString(got) {
			return fmt.Errorf("the status is %s", got)
		}
		return nil
	})
}

// owned checks that all of the state belongs to who runs the ctmpl.
func (l *lodger) owned() {
	l.Helper()
	err := filepath.Walk(l.path("state"), func(path string, info fs.FileInfo, err error) error {
		if err == nil && int(info.Sys().(*syscall.Stat_t).Uid) != l.user() {
			l.Errorf("%s belongs to somebody else", path)
		}
		return err
	})
	if err != nil {
		l.Error(err)
	}
}

func TestRootAsksACtmplOfAnotherUser(t *testing.T) {
	t.Parallel()
	l := newLodger(t)
	l.start()
	l.run.expect("1 2 3 ")
	l.becomes("^  live$")
	l.catalog()
	l.run.logged("rollout held")
	l.becomes("^  held .*web 3 → 0")
	l.expectAsk("/out: approved\n", exitOK, "approve")
	l.run.expect("")
	l.becomes("^  live$")
	l.becomes("^  good output 2 .* live$")
	l.expectAsk("/out: rolled back to good output 1: it stays until it is released\n", exitOK, "rollback")
	l.run.expect("1 2 3 ")
	l.becomes("^  pinned rolled back to good output 1$")
	l.catalog(4)
	l.expectAsk("/out: released\n", exitOK, "release")
	l.expectAsk("there is no good output 99", exitRuntime, "rollback", "-to", "99")
	l.stop()
	l.owned()
}

// What root puts in place while no ctmpl runs is what the next one finds, whoever runs it.
func TestRootRollsBackWhileNoCtmplOfAnotherUserRuns(t *testing.T) {
	t.Parallel()
	l := newLodger(t)
	l.start()
	l.run.expect("1 2 3 ")
	l.catalog(1, 2, 3, 4)
	l.run.expect("1 2 3 4 ")
	l.stop()
	l.expectAsk("good output 1 is in place", exitOK, "rollback")
	l.owned()
	l.catalog(1, 2, 3, 4, 5)
	l.start()
	l.run.logged("stays as it is until it is released (ctmpl release)")
	l.becomes("^  pinned rolled back to good output 1$")
	l.run.expect("1 2 3 ")
	l.expectAsk("/out: released\n", exitOK, "release")
	l.run.expect("1 2 3 4 5 ")
	l.stop()
	l.owned()
	l.expectAsk("good output 1 is in place", exitOK, "rollback", "-to", "1")
	l.expectAsk("released: it is rendered again when ctmpl starts", exitOK, "release")
	l.start()
	l.run.expect("1 2 3 4 5 ")
	l.stop()
}

// requests is how many there are that are not dealt with.
func (l *lodger) requests() int {
	entries, _ := os.ReadDir(l.path("state/requests"))
	return len(entries)
}

// Who does not wait any more takes the request back: it is not served behind their back.
func TestAnInterruptedRollbackDoesNotTakePlace(t *testing.T) {
	t.Parallel()
	l := newLodger(t)
	l.start()
	l.run.expect("1 2 3 ")
	l.catalog(1, 2, 3, 4)
	l.run.expect("1 2 3 4 ")
	l.becomes("^  good output 2 .* live$")
	_ = l.run.cmd.Process.Signal(syscall.SIGSTOP)
	var out running
	// It does not get the signal before it waits.
	cmd := exec.Command("sh", "-c", `trap "" INT; exec "$0" rollback -config ctmpl.hcl`, program(t))
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = l.dir, append(os.Environ(), fastExit), &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	asked := false
	servers.Eventually(t, wait, func() error {
		if asked = asked || l.requests() > 0; asked {
			_ = cmd.Process.Signal(os.Interrupt)
		}
		select {
		case err := <-done:
			if code := exitCode(err); code != exitRuntime || !asked || !strings.Contains(out.text(), "has not answered") {
				t.Errorf("exit code %d, asked %v, it printed %q", code, asked, out.text())
			}
			return nil
		default:
			return errors.New("it waits")
		}
	})
	if n := l.requests(); n > 0 {
		t.Errorf("%d requests are left", n)
	}
	_ = l.run.cmd.Process.Signal(syscall.SIGCONT)
	l.expectAsk("nothing is held", exitOK, "approve") // it serves what there is
	l.run.expect("1 2 3 4 ")
	l.becomes("^  live$")
	l.stop()
}

// A signal may arrive before anything runs.
func TestSignalsAtTheVeryStart(t *testing.T) {
	t.Parallel()
	for name, signals := range map[string][]os.Signal{
		"end":         {syscall.SIGTERM},
		"approve":     {syscall.SIGUSR2, syscall.SIGTERM},
		"reload":      {syscall.SIGHUP, syscall.SIGTERM},
		"all of them": {syscall.SIGUSR2, syscall.SIGHUP, syscall.SIGUSR2, syscall.SIGTERM},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range 5 {
				l := newLodger(t)
				arrived := make(chan os.Signal, 16)
				for _, s := range signals {
					arrived <- s
				}
				var log running
				m := &Main{Args: []string{"-config", l.path("ctmpl.hcl")}, Stdout: &log, Stderr: &log, Signals: arrived}
				code := m.Run()
				signal.Stop(arrived)
				if code != exitInterrupt || !strings.Contains(log.text(), "ending") {
					t.Errorf("exit code %d\n%s", code, log.text())
				}
			}
		})
	}
}
