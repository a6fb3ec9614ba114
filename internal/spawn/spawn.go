// Package spawn starts processes from a thread that never ends.
//
// The signal that a process gets when its parent dies (PR_SET_PDEATHSIG) is tied to the
// thread that forked it, not to the process: a goroutine that ends while it is locked to
// its thread takes the thread along, and the children of that thread would be killed for
// no reason.
package spawn

import (
	"os/exec"
	"runtime"
	"sync"
)

// Start starts cmd on the one thread that starts every child. The goroutine behind it
// never ends and never gives its thread to others.
func Start(cmd *exec.Cmd) error {
	once.Do(func() { go serve() })
	r := request{cmd: cmd, result: make(chan error, 1)}
	requests <- r
	return <-r.result
}

type request struct {
	cmd    *exec.Cmd
	result chan error
}

var (
	once     sync.Once
	requests = make(chan request)
)

func serve() {
	runtime.LockOSThread()
	for r := range requests {
		r.result <- r.cmd.Start()
	}
}
