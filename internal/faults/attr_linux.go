package main

import "syscall"

// dieWithUs has the kernel end a child when this program dies, however it does.
func dieWithUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
