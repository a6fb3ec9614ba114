package main

import "syscall"

// childAttr keeps the child from getting the Ctrl-C that is meant for this program,
// and ends it when this program dies without having ended it.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
