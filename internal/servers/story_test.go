package servers

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// asStory makes the test binary run as the program of a story that lasts until it is
// asked to end, or until nobody reads what it prints.
const asStory = "SERVERS_TEST_AS_STORY"

func beStory() int {
	return Play("story", func(ctx context.Context, out io.Writer) error {
		err := Wait(ctx, func() error {
			fmt.Fprintln(out, "a step")
			return errors.New("not over")
		})
		fmt.Fprintln(os.Stderr, "all has been ended")
		return err
	})
}

// TestPlay ends a story in each way that is no fault of its own: it has to come to its end.
func TestPlay(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(cmd *exec.Cmd, out io.Closer) error
	}{
		{"Ctrl-C", func(cmd *exec.Cmd, _ io.Closer) error { return cmd.Process.Signal(os.Interrupt) }},
		{"SIGTERM", func(cmd *exec.Cmd, _ io.Closer) error { return cmd.Process.Signal(syscall.SIGTERM) }},
		{"the terminal is closed", func(cmd *exec.Cmd, _ io.Closer) error { return cmd.Process.Signal(syscall.SIGHUP) }},
		{"nobody reads", func(_ *exec.Cmd, out io.Closer) error { return out.Close() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), asStory+"=1")
			var said bytes.Buffer
			cmd.Stderr = &said
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
				t.Error(err)
			}
			if err := c.end(cmd, out); err != nil {
				t.Error(err)
			}
			_, _ = io.Copy(io.Discard, out)
			_ = cmd.Wait()
			const want = "all has been ended\nstory: not over ("
			if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.HasPrefix(said.String(), want) {
				t.Errorf("%s, exit code %d, and it says %q", cmd.ProcessState, code, &said)
			}
		})
	}
}
