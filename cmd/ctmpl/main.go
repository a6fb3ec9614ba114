// Command ctmpl keeps the configuration of nginx, or of any other program, true to
// Consul: it renders templates when the catalog or the KV store changes, and runs
// a command when the result does.
package main

import (
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
)

func main() { os.Exit(run()) }

// garbage is how much of it there may be for what is in use, in percent, unless GOGC says: a
// program that stands beside nginx all the time is to leave it the memory, and makes little.
const garbage = 50

// processors is how many of them it uses at once, unless GOMAXPROCS says: to hand the many small things
// that are done for a change from one to another costs more than to do them, and nginx is to have the rest.
const processors = 1

func run() int {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(processors)
	}
	arrived := make(chan os.Signal, 16)
	// A closed standard output is an error of the write, not the end of the program,
	// and one may ask for the configuration to be read again at any time.
	signal.Notify(arrived, syscall.SIGPIPE, syscall.SIGHUP)
	m := &Main{Args: os.Args[1:], Stdout: os.Stdout, Stderr: os.Stderr, Signals: arrived}
	return m.Run()
}
