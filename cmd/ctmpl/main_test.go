package main

import (
	"os"
	"os/exec"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// fastExit has a program under the race detector not sleep for a second at its end
// (https://go.dev/doc/articles/race_detector#Options).
const fastExit = "GORACE=atexit_sleep_ms=0"

// TestMain makes the test binary serve as the command ctmpl, too, and as one with a halt.
func TestMain(m *testing.M) {
	testscript.Main(inState{m}, map[string]func(){
		"ctmpl":        func() { os.Exit(run()) },
		"ctmpl-halted": func() { os.Exit(halted()) },
	})
}

// inState runs the tests with a directory for the state of every ctmpl that they start.
type inState struct{ *testing.M }

func (m inState) Run() int {
	dir, err := os.MkdirTemp("", "ctmpl-state-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Setenv(stateVariable, dir); err != nil {
		panic(err)
	}
	return m.M.Run()
}

// stateVariable is what systemd tells its units where to keep their state with.
const stateVariable = "STATE_DIRECTORY"

// program is the path of the command ctmpl.
func program(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("ctmpl")
	if err != nil {
		t.Fatal(err)
	}
	return path
}
