//go:build unix && !linux

package servers

import "syscall"

// childAttr puts the child into a process group of its own. Other systems than
// Linux cannot tie its life to that of this process.
func childAttr(syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

// awaitExit returns false: other systems than Linux cannot await the end of a
// child without waiting for it.
func awaitExit(int) bool { return false }

// awaitStop does not wait on other systems than Linux.
func awaitStop(int) {}

// watchEnd gives a function that does not wait on other systems than Linux.
func watchEnd(int) (await func()) { return func() {} }
