package main

import "syscall"

// childAttr keeps the Ctrl-C of the terminal from the child, which is ended in its
// turn, and ends the child when this process dies in another way. (The latter
// happens when the thread dies that has started the child; no thread of this
// program ends before it does.)
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
