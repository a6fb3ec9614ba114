package main

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
)

// halted is ctmpl with a halt: at one of the points where a rollout may be cut short it
// sends itself a signal. internal/faults runs it so. In the environment are
//
//	CTMPL_HALT_AT      which point, in the order in which they are reached; 0: none
//	CTMPL_HALT_SIGNAL  the number of the signal, such as 9
//	CTMPL_HALT_LOG     a file that gets the name of each point, a line each
func halted() int {
	at, _ := strconv.Atoi(os.Getenv("CTMPL_HALT_AT"))
	number, _ := strconv.Atoi(os.Getenv("CTMPL_HALT_SIGNAL"))
	log, err := os.OpenFile(os.Getenv("CTMPL_HALT_LOG"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		fmt.Fprintln(os.Stderr, "ctmpl-halted:", err)
		return exitFlags
	}
	var mu sync.Mutex
	reached := 0
	arrived := make(chan os.Signal, 16) // as run does
	signal.Notify(arrived, syscall.SIGPIPE, syscall.SIGHUP)
	m := &Main{Args: os.Args[1:], Stdout: os.Stdout, Stderr: os.Stderr, Signals: arrived}
	m.At = func(point string) {
		mu.Lock()
		defer mu.Unlock()
		reached++
		_, _ = fmt.Fprintln(log, point)
		if reached == at {
			_ = syscall.Kill(os.Getpid(), syscall.Signal(number))
		}
	}
	return m.Run()
}
