package child

import (
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Signals are those that a program may pass on to its child: all that
// consul-template does, but SIGPIPE, which a program causes by its own writing, and
// those that report a fault of the program itself (SIGSEGV, SIGBUS, SIGFPE, SIGILL).
func Signals() []os.Signal {
	return []os.Signal{
		syscall.SIGABRT, syscall.SIGALRM, syscall.SIGCONT, syscall.SIGHUP, syscall.SIGINT, syscall.SIGIO,
		syscall.SIGPROF, syscall.SIGQUIT, syscall.SIGSYS, syscall.SIGTERM, syscall.SIGTRAP, syscall.SIGTSTP,
		syscall.SIGTTIN, syscall.SIGTTOU, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH, syscall.SIGXCPU, syscall.SIGXFSZ,
	}
}

// signalName is the name of a signal, for the log.
func signalName(s syscall.Signal) string {
	if name := unix.SignalName(s); name != "" {
		return name
	}
	return "signal " + strconv.Itoa(int(s))
}
