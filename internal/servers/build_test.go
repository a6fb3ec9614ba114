package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestBuildIsInterrupted ends a build while the compiler runs: that is when a user has
// the time to press Ctrl-C.
func TestBuildIsInterrupted(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux shows which files a process is about")
	}
	tmp, dir := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", tmp)
	t.Setenv("GOTMPDIR", "")
	t.Setenv("GOCACHE", t.TempDir()) // so that there is something to do
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	built := make(chan error, 1)
	go func() { built <- Build(ctx, dir, "github.com/ctmpl/ctmpl/cmd/ctmpl") }()
	Eventually(t, time.Minute, func() error {
		if len(compilers(tmp, dir)) == 0 {
			return errors.New("no compiler runs")
		}
		return nil
	})
	stop := errors.New("stopped")
	cancel(stop)
	if err := <-built; !errors.Is(err, stop) {
		t.Errorf("the error is %v", err)
	}
	Eventually(t, time.Second, func() error {
		if left := compilers(tmp, dir); len(left) > 0 {
			return fmt.Errorf("these still run: %v", left)
		}
		return nil
	})
	if left, _ := filepath.Glob(filepath.Join(tmp, "*")); len(left) > 0 {
		t.Errorf("files stay behind outside of the directory: %v", left)
	}
}

// compilers gives the processes that write below one of the directories.
func compilers(dirs ...string) []string {
	var found []string
	commands, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range commands {
		text, _ := os.ReadFile(path) // nothing of one that has ended
		for _, dir := range dirs {
			if strings.Contains(string(text), dir+"/go-build") {
				found = append(found, strings.ReplaceAll(string(text), "\x00", " "))
			}
		}
	}
	return found
}
