package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// asProgram makes the test binary run as the program itself.
const asProgram = "CANARY_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(run())
	}
	os.Exit(m.Run())
}

// TestStory plays every step against real servers.
func TestStory(t *testing.T) {
	t.Parallel()
	s, err := newStory(t.Context(), t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
	for _, step := range steps {
		t.Run(step.title, func(t *testing.T) {
			s.say = t.Logf
			if err := s.run(t.Context(), step); err != nil {
				t.Fatal(err)
			}
		})
		if t.Failed() {
			return // each step builds on the ones before
		}
		if step.title == "5 %: of 20,000 users" {
			golden(t, "nginx-T.conf", s.shown(t))
		}
	}
}

// TestEnd ends the program in the middle of the story, by Ctrl-C and as the kernel
// would: nothing that it has started may stay.
func TestEnd(t *testing.T) {
	t.Parallel()
	t.Run("Ctrl-C", func(t *testing.T) {
		p := startProgram(t)
		p.end(t, os.Interrupt)
		if code := p.cmd.ProcessState.ExitCode(); code != 1 {
			t.Errorf("exit code %d, want 1", code)
		}
		if left, _ := filepath.Glob(filepath.Join(p.tmp, "*")); len(left) > 0 {
			t.Errorf("files stay behind: %v", left)
		}
	})
	t.Run("SIGKILL", func(t *testing.T) {
		if runtime.GOOS != "linux" {
			t.Skip("only Linux ends the children of a process that is killed")
		}
		startProgram(t).end(t, syscall.SIGKILL)
	})
}

// program is the program of this directory, with its files below tmp.
type program struct {
	cmd *exec.Cmd
	tmp string
}

// startProgram returns when requests are under way.
func startProgram(t *testing.T) *program {
	t.Helper()
	p := &program{cmd: exec.Command(os.Args[0]), tmp: t.TempDir()}
	p.cmd.Env = append(os.Environ(), asProgram+"=1", "TMPDIR="+p.tmp)
	p.cmd.Stderr = t.Output()
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() }) // of a test that has failed
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "2.") {
			return p
		}
	}
	t.Fatal("it ended before the second step")
	return nil
}

// end sends the signal, and wants the program and all its servers to end.
func (p *program) end(t *testing.T, sig os.Signal) {
	t.Helper()
	if runtime.GOOS == "linux" && len(p.children()) < 3 { // Consul, nginx, ctmpl
		t.Errorf("only these run: %v", p.children())
	}
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	_ = p.cmd.Wait()
	servers.Eventually(t, 30*time.Second, func() error {
		if left := p.children(); len(left) > 0 {
			return fmt.Errorf("these still run: %v", left)
		}
		return nil
	})
}

// children gives the processes that work below tmp, as all servers do. Only Linux
// shows them.
func (p *program) children() []string {
	var found []string
	links, _ := filepath.Glob("/proc/[0-9]*/cwd")
	for _, link := range links {
		if dir, err := os.Readlink(link); err == nil && strings.HasPrefix(dir, p.tmp+"/") {
			found = append(found, filepath.Base(filepath.Dir(link)))
		}
	}
	return found
}

// TestMissingServer wants to be told what to do.
func TestMissingServer(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", "")
	err := play(t.Context(), t.Output())
	if err == nil || !strings.Contains(err.Error(), "go run ./internal/tools/install consul") {
		t.Errorf("without consul the error is %v", err)
	}
}
