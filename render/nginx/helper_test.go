package nginx

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"testing"

	"golang.org/x/sys/unix"
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
