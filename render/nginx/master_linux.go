package nginx

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// signal sends a signal to the master, and to nobody who has its number by now.
func (m *master) signal(sig syscall.Signal) error {
	fd, err := unix.PidfdOpen(m.pid, 0)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) { // before Linux 5.3, or forbidden by seccomp
		if !m.lives() {
			return syscall.ESRCH
		}
		return syscall.Kill(m.pid, sig)
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if !m.lives() { // fd is of another one then
		return syscall.ESRCH
	}
	return unix.PidfdSendSignal(fd, sig, nil, 0)
}

// idle tells whether the master has nothing left to do: no SIGHUP is pending, and it
// waits in sigsuspend, where alone it takes signals (ngx_master_process_cycle). Once
// that holds after a SIGHUP, the reload is over, whatever came of it. known is false
// where the kernel does not tell.
func (m *master) idle() (idle, known bool) {
	status, err := os.ReadFile(proc(m.pid, "status"))
	if err != nil {
		return false, false
	}
	if pendingHUP(status) {
		return false, true
	}
	call, err := os.ReadFile(proc(m.pid, "syscall")) // needs the right to trace it
	if err != nil {
		return false, false
	}
	number, _, _ := strings.Cut(string(call), " ")
	return number == strconv.Itoa(unix.SYS_RT_SIGSUSPEND), true
}

func pendingHUP(status []byte) bool {
	for line := range bytes.Lines(status) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		if string(name) != "SigPnd" && string(name) != "ShdPnd" {
			continue
		}
		set, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 16, 64)
		if err == nil && set&(1<<(unix.SIGHUP-1)) != 0 {
			return true
		}
	}
	return false
}
