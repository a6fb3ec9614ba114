package main

import (
	"bufio"
	"fmt"
	"net"
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
const asProgram = "WORKERS_TEST_AS_PROGRAM"

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
		if step.title == "one of them gets busy" { // before others write what they like
			compareFile(t, s)
		}
	}
}

// TestEnd ends the program in the middle of the story, by Ctrl-C and as the kernel
// would: nothing that it has started may stay.
func TestEnd(t *testing.T) {
	t.Parallel()
	t.Run("Ctrl-C", func(t *testing.T) {
		t.Parallel()
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
		t.Parallel()
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

// startProgram returns when all servers and workers run.
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
	if runtime.GOOS == "linux" && len(p.children()) < 6 { // Consul, nginx, ctmpl, 3 workers
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

// TestPortIsTaken wants to be told at once by a worker that cannot listen.
func TestPortIsTaken(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	w := &world{dir: t.TempDir(), consul: &servers.Consul{HTTPAddr: "127.0.0.1:1"}}
	if w.worker, err = build(t.Context(), w.dir, "examples/workers/worker"); err != nil {
		t.Fatal(err)
	}
	k := &worker{id: "worker-127.0.0.2", addr: taken.Addr().String(), load: filepath.Join(w.dir, "load")}
	err = w.runWorker(t.Context(), k)
	if err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("the error is %v", err)
	}
}

func TestChiSquared(t *testing.T) {
	t.Parallel()
	weights := map[string]int{"a": 10, "b": 10, "c": 5}
	for _, c := range []struct {
		counts map[string]int
		want   float64
	}{
		{map[string]int{"a": 40, "b": 40, "c": 20}, 0},
		{map[string]int{"a": 50, "b": 30, "c": 20}, 5},  // (100+100)/40
		{map[string]int{"a": 40, "b": 60}, 10 + 20},     // 400/40 + 400/20
		{map[string]int{"a": 0, "b": 0, "c": 100}, 400}, // 40 + 40 + 80²/20
	} {
		if got, err := chiSquared(c.counts, weights); err != nil || got != c.want {
			t.Errorf("%v: %v (%v), want %v", c.counts, got, err, c.want)
		}
	}
	if _, err := chiSquared(map[string]int{"d": 1}, weights); err == nil {
		t.Error("answers of somebody without a weight pass")
	}
}
