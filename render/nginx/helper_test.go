//go:build linux

package nginx

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ctmpl/ctmpl/render/rollout"
)

// idleHelper ends when its standard input does, and says so when it gets a signal.
func idleHelper() {
	got := make(chan os.Signal, 1)
	signal.Notify(got, unix.SIGHUP)
	_, _ = os.Stdout.WriteString("ready\n")
	_, _ = io.Copy(io.Discard, os.Stdin)
	select {
	case <-got:
		os.Exit(1)
	default:
	}
}

// foreign is a process that nobody may signal.
type foreign struct {
	testing.TB
	cmd  *exec.Cmd
	open io.WriteCloser
}

// startIdle starts one, under another name when argv0 is not empty.
func startIdle(t testing.TB, argv0 string) *foreign {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path)
	if argv0 != "" {
		cmd.Args[0] = argv0
	}
	cmd.Env = append(os.Environ(), helperIs+"=idle")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return &foreign{t, cmd, in}
}

func (f *foreign) pid() int { return f.cmd.Process.Pid }

// wantUnharmed ends it, and fails when it has got a signal.
func (f *foreign) wantUnharmed() {
	f.Helper()
	_ = f.open.Close()
	if err := f.cmd.Wait(); err != nil {
		f.Errorf("the foreign process was signalled: %v", err)
	}
}

func inode(info os.FileInfo) uint64 { return info.Sys().(*syscall.Stat_t).Ino }

// checkHelper checks the file STAGED as PATH, for the main file CONF by METHOD, and
// prints the log and the error.
func checkHelper() {
	d := New(Config{Conf: os.Getenv("CONF"), CheckMethod: os.Getenv("METHOD")}, slog.New(slog.NewTextHandler(os.Stdout, nil)))
	for range 3 {
		err := d.Check(context.Background(), []rollout.Staged{{Path: os.Getenv("FILE"), Staged: os.Getenv("STAGED")}})
		fmt.Printf("%T: %v\n", err, err)
	}
	if err := leftBehind(os.TempDir()); err != nil && os.Getenv("METHOD") != MethodOverlay {
		fmt.Println("left:", err)
	}
}

// checkIn runs checkHelper by a program that takes rights away from it, and gives what it
// prints.
func (s *site) checkIn(method string, staged rollout.Staged, program ...string) string {
	s.t.Helper()
	self, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	program = append(program, self)
	cmd := exec.Command(program[0], program[1:]...)
	cmd.Env = append(os.Environ(), helperIs+"=check", "CONF="+s.path("nginx.conf"), "METHOD="+method, "FILE="+staged.Path, "STAGED="+staged.Staged, "TMPDIR="+s.t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("%v: %v\n%s", program, err, out)
	}
	return string(out)
}

// spawn starts a program from a thread that does not end before the tests do: it gets
// the signal of Pdeathsig when that thread ends.
func spawn(cmd *exec.Cmd) error {
	spawnerOnce.Do(func() { go spawner() })
	result := make(chan error)
	spawns <- func() { result <- cmd.Start() }
	return <-result
}

var (
	spawnerOnce sync.Once
	spawns      = make(chan func())
)

func spawner() {
	runtime.LockOSThread()
	for start := range spawns {
		start()
	}
}
