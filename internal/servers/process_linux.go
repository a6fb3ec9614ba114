package servers

import (
	"errors"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// childAttr puts the child into a process group of its own, and has the kernel
// send it the signal when this process dies.
func childAttr(onParentDeath syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: onParentDeath}
}

// awaitExit returns true when the child has ended, and leaves it to be waited
// for.
func awaitExit(pid int) bool { return await(pid, unix.WEXITED) }

// awaitStop returns when all threads of the child have stopped, or when it has
// ended.
func awaitStop(pid int) { await(pid, unix.WSTOPPED) }

// await waits for an event of a child without consuming it.
func await(pid, event int) bool {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, event|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err == nil
		}
	}
}

// watchEnd gives a function that returns when the process, which need not be a
// child, has ended, whether or not it was waited for.
func watchEnd(pid int) (await func()) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil { // it has ended already
		return func() {}
	}
	return func() {
		defer unix.Close(fd)
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		for {
			if _, err := unix.Poll(poll, int(stopTime/time.Millisecond)); !errors.Is(err, unix.EINTR) {
				return
			}
		}
	}
}
