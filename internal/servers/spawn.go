package servers

import (
	"os/exec"
	"runtime"
	"sync"
)

// spawn starts cmd on the one thread that starts every child. The signal that a
// child gets when its parent dies (Pdeathsig) is tied to the thread that forked
// it, not to the process: a goroutine that ends while it is locked to its thread
// takes the thread along, and the children of that thread would be killed for no
// reason. The goroutine behind spawn never ends and never gives its thread to
// others.
func spawn(cmd *exec.Cmd) error {
	startSpawner.Do(func() { go spawner() })
	request := spawnRequest{cmd: cmd, result: make(chan error, 1)}
	spawnRequests <- request
	return <-request.result
}

type spawnRequest struct {
	cmd    *exec.Cmd
	result chan error
}

var (
	startSpawner  sync.Once
	spawnRequests = make(chan spawnRequest)
)

func spawner() {
	runtime.LockOSThread()
	for request := range spawnRequests {
		request.result <- request.cmd.Start()
	}
}
