package servers

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/ctmpl/ctmpl/internal/spawn"
)

// Build builds programs of this repository into dir, each under the name of its
// package, and without C libraries, as make build does. When ctx ends it is over at
// once, with the cause of that as its error: no compiler runs any more, and all that
// it leaves behind is in dir.
func Build(ctx context.Context, dir string, packages ...string) error {
	return BuildFrom(ctx, "", dir, packages...)
}

// BuildFrom is Build for a program that may run elsewhere, such as in a module of its own:
// top is the directory of this repository.
func BuildFrom(ctx context.Context, top, dir string, packages ...string) error {
	// git tells nothing of a repository that belongs to another user, and that would be an
	// error.
	args := append([]string{"build", "-buildvcs=false", "-o", dir + string(filepath.Separator)}, packages...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = top
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	// One that is stopped leaves its temporary files and its compilers behind.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOTMPDIR="+dir, "TMPDIR="+dir)
	cmd.SysProcAttr = childAttr(syscall.SIGTERM)
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	err := spawn.Start(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return fmt.Errorf("go build: %w\n%s", err, out.Bytes())
}
