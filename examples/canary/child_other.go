//go:build unix && !linux

package main

import "syscall"

// childAttr keeps the child from getting the Ctrl-C that is meant for this program.
func childAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
