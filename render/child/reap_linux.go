package child

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// lookEvery is the least time between two looks for zombies.
	lookEvery = time.Second
	// looks is how often a zombie has to be seen before it is taken for an orphan. Two
	// would do, were it not that this process may have been stopped between them.
	looks = 3
)

// Reap waits for processes that have become children of this one because their
// parents ended, until ctx ends. It returns at once where that does not happen: this
// process is not process 1, nor has it asked for it (PR_SET_CHILD_SUBREAPER).
//
// Who starts a process waits for it at once, so that it is a zombie for a moment
// only. One that stays for over two seconds is nobody's, and is reaped: there is no
// need to know which processes are ours.
func Reap(ctx context.Context, log *slog.Logger) {
	if !adopts() {
		return
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	defer signal.Stop(ended)
	r := reaper{seen: map[identity]int{}, log: log}
	timer := time.NewTimer(0) // they may be there already
	defer timer.Stop()
	waiting := true
	for {
		select {
		case <-ctx.Done():
			return
		case <-ended:
			if !waiting {
				waiting = true
				timer.Reset(lookEvery)
			}
		case <-timer.C:
			if waiting = r.look(zombies()); waiting {
				timer.Reset(lookEvery)
			}
		}
	}
}

// adopts tells whether orphans become children of this process.
func adopts() bool {
	if os.Getpid() == 1 {
		return true
	}
	var set int32
	err := unix.Prctl(unix.PR_GET_CHILD_SUBREAPER, uintptr(unsafe.Pointer(&set)), 0, 0, 0)
	return err == nil && set != 0
}

// identity is a process, also when its number is given to another one.
type identity struct {
	pid     int
	started uint64
}

// zombies are children of this process that nobody has waited for.
func zombies() []identity {
	self := os.Getpid()
	var out []identity
	for _, p := range processes() {
		if p.parent == self && p.zombie() {
			out = append(out, identity{p.pid, p.started})
		}
	}
	return out
}

// reaper counts how often it has seen a zombie.
type reaper struct {
	seen map[identity]int
	log  *slog.Logger
	reap func(pid int) // for tests
}

// look reaps those that were there in all of the last looks, and tells whether
// others are left.
func (r *reaper) look(zombies []identity) (left bool) {
	seen := map[identity]int{}
	for _, z := range zombies {
		if n := r.seen[z] + 1; n < looks {
			seen[z] = n
			continue
		}
		r.wait(z.pid)
	}
	r.seen = seen
	return len(seen) > 0
}

func (r *reaper) wait(pid int) {
	if r.reap != nil {
		r.reap(pid)
		return
	}
	var status unix.WaitStatus
	if got, err := unix.Wait4(pid, &status, unix.WNOHANG, nil); err == nil && got == pid {
		r.log.Debug("reaped an orphan", "pid", pid)
	}
}
