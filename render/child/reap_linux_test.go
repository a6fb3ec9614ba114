package child

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ctmpl/ctmpl/internal/servers"
)

func init() { helpers["reaper"] = reaperProgram }

func TestReapIsForThoseThatAdopt(t *testing.T) {
	t.Parallel()
	Reap(t.Context(), quiet) // returns
}

func TestReapTakesOnlyWhatStays(t *testing.T) {
	t.Parallel()
	var reaped []int
	r := reaper{log: quiet, reap: func(pid int) { reaped = append(reaped, pid) }}
	a, b, other := identity{1, 1}, identity{2, 1}, identity{1, 2}
	for _, step := range []struct {
		zombies []identity
		left    bool
		reaped  []int
	}{
		{[]identity{a}, true, nil},
		{[]identity{a, b}, true, nil},
		{[]identity{a, b}, true, []int{1}}, // a, for the third time
		{[]identity{other}, true, []int{1}},
		{nil, false, []int{1}},
		{[]identity{b}, true, []int{1}}, // its count began anew
		{nil, false, []int{1}},
	} {
		if left := r.look(step.zombies); left != step.left || !slices.Equal(reaped, step.reaped) {
			t.Errorf("%v: left %v, reaped %v, want %+v", step.zombies, left, reaped, step)
		}
	}
}

func TestReap(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(self(t))
	cmd.Env = append(os.Environ(), helperIs+"=reaper")
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "all reaped\n" {
		t.Errorf("%v: %s", err, out)
	}
}

// reaperProgram adopts orphans and has them reaped while it runs commands of its own.
func reaperProgram() {
	if err := reapOrphans(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("all reaped")
	os.Exit(0)
}

func reapOrphans() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	var group sync.WaitGroup
	group.Go(func() { Reap(ctx, quiet) })
	if err := mixed(); err != nil {
		return err
	}
	if len(children()) == 0 {
		return errors.New("there were no orphans")
	}
	err := servers.Wait(ctx, func() error {
		if left := children(); len(left) > 0 {
			return fmt.Errorf("left: %v", left)
		}
		return nil
	})
	cancel()
	group.Wait()
	return err
}

// mixed runs commands that leave orphans, for longer than an orphan takes, and checks
// their exit codes.
func mixed() error {
	var group sync.WaitGroup
	failed := make(chan error, 1)
	until := time.Now().Add((looks + 1) * lookEvery)
	for n := range 4 {
		group.Go(func() {
			for time.Now().Before(until) {
				err := exec.Command("sh", "-c", fmt.Sprintf("sleep 0.0%d & exit %d", n, 10+n)).Run()
				var exit *exec.ExitError
				if !errors.As(err, &exit) || exit.ExitCode() != 10+n {
					select {
					case failed <- fmt.Errorf("command %d: %w", n, err):
					default:
					}
				}
			}
		})
	}
	group.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// children are all of this process, zombies too.
func children() []string {
	var out []string
	for _, p := range processes() {
		if p.parent == os.Getpid() {
			out = append(out, fmt.Sprintf("%d (%c)", p.pid, p.state))
		}
	}
	return out
}

func TestZombiesAreOurs(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("true")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	servers.Eventually(t, deadline, func() error {
		if !slices.ContainsFunc(zombies(), func(z identity) bool { return z.pid == cmd.Process.Pid }) {
			return errors.New("not seen")
		}
		return nil
	})
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if slices.ContainsFunc(zombies(), func(z identity) bool { return z.pid == cmd.Process.Pid }) {
		t.Error("still seen")
	}
}
