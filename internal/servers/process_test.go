package servers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// parentEnv makes the test binary start an nginx and a process, print their IDs
// and wait to be killed.
const parentEnv = "SERVERS_TEST_PARENT"

func TestMain(m *testing.M) {
	if dir := os.Getenv(parentEnv); dir != "" {
		beParent(dir)
	}
	if os.Getenv(asStory) != "" {
		os.Exit(beStory())
	}
	os.Exit(m.Run())
}

func beParent(dir string) {
	n, err := StartNginx(context.Background(), dir, filepath.Join(dir, "nginx.conf"))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	sleep, err := startProcess(command{name: "sleep", argv: []string{"sleep", "1000"}, log: filepath.Join(dir, "log"), onParentDeath: syscall.SIGKILL})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(n.PID(), sleep.pid(), n.Workers()[0])
	time.Sleep(time.Hour)
}

func TestServersDieWithTheirParent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux can do this")
	}
	t.Parallel()
	dir := t.TempDir()
	writeConf(t, dir, "")
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), parentEnv+"="+dir)
	stdout, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Errorf("the parent says %q, %v", line, err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	for _, field := range strings.Fields(line) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatalf("the parent says %q", line)
		}
		wantGone(t, pid)
	}
}

// wantGone waits until a process has ended; a zombie counts as ended.
func wantGone(t *testing.T, pid int) {
	t.Helper()
	Eventually(t, 10*time.Second, func() error { return gone(pid) })
}

// gone gives an error while a process has not ended.
func gone(pid int) error {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) || err == nil && strings.Contains(string(stat), ") Z ") {
		return nil
	}
	return fmt.Errorf("process %d lives", pid)
}

// A goroutine that ends locked to its thread ends the thread, and the kernel
// sends the death signal to the children which that thread has forked.
func TestServersOutliveTheThreadThatAsked(t *testing.T) {
	t.Parallel()
	started := make(chan *process)
	go func() {
		runtime.LockOSThread()
		p, err := startProcess(sleepCommand(t))
		if err != nil {
			t.Error(err)
		}
		started <- p
	}()
	p := <-started
	time.Sleep(100 * time.Millisecond)
	if !p.running() {
		t.Errorf("it has ended: %s", p.exit())
	}
	p.kill()
}

func sleepCommand(t *testing.T) command {
	return command{name: "sleep", argv: []string{"sleep", "1000"}, log: filepath.Join(t.TempDir(), "log"), onParentDeath: syscall.SIGKILL}
}

func TestStopEndsTheWholeGroup(t *testing.T) {
	t.Parallel()
	c := sleepCommand(t)
	c.argv = []string{"sh", "-c", `sleep 1000 & echo $!; wait`}
	p, err := startProcess(c)
	if err != nil {
		t.Fatal(err)
	}
	var child int
	Eventually(t, 5*time.Second, func() error {
		text, err := os.ReadFile(c.log)
		if err == nil {
			child, err = strconv.Atoi(strings.TrimSpace(string(text)))
		}
		return err
	})
	if err := p.stop(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	wantGone(t, child)
	if err := p.stop(syscall.SIGTERM); err != nil {
		t.Errorf("the second stop: %v", err)
	}
	if err := p.signal(syscall.SIGHUP); err == nil {
		t.Error("a signal to a process that has ended gives no error")
	}
}

func TestStartOfMissingProgram(t *testing.T) {
	t.Parallel()
	c := sleepCommand(t)
	c.argv = []string{"/nowhere/sleep"}
	if _, err := startProcess(c); err == nil || !strings.Contains(err.Error(), "start sleep") {
		t.Errorf("got %v", err)
	}
}

func TestTailOfIsTheEnd(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	var text strings.Builder
	for i := range 100 {
		fmt.Fprintf(&text, "line %d\n", i)
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	got := tailOf(path)
	if !strings.Contains(got, "line 99") || strings.Contains(got, "line 74\n") || !strings.Contains(got, "line 75\n") {
		t.Errorf("got %s", got)
	}
}

func TestWaitGivesTheLastError(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	calls := 0
	err := Wait(ctx, func() error {
		calls++
		return fmt.Errorf("call %d", calls)
	})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), fmt.Sprintf("call %d", calls)) || calls < 2 {
		t.Errorf("after %d calls: %v", calls, err)
	}
}

// TestStopSaysItAgain stops a process that loses the first signal, as consul does when it
// has only just been started.
func TestStopSaysItAgain(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "log")
	script := `trap 'trap - TERM' TERM; echo ready; while :; do sleep 0.05; done`
	p, err := startProcess(command{name: "deaf", argv: []string{"sh", "-c", script}, log: log, onParentDeath: syscall.SIGKILL})
	if err != nil {
		t.Fatal(err)
	}
	Eventually(t, 10*time.Second, func() error {
		if text, err := os.ReadFile(log); err != nil || len(text) == 0 {
			return fmt.Errorf("it is not ready (%v)", err)
		}
		return nil
	})
	if err := p.stop(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
}
