//go:build !linux

package nginx

import "syscall"

func (m *master) signal(sig syscall.Signal) error { return syscall.Kill(m.pid, sig) }

func (m *master) idle() (idle, known bool) { return false, false }
