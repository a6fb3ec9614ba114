// Command ctmpl keeps the configuration of nginx, or of any other program, true to
// Consul: it renders templates when the catalog or the KV store changes, and runs
// a command when the result does.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	// A closed standard output is an error of the write, not the end of the program.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	m := &Main{Args: os.Args[1:], Stdout: os.Stdout, Stderr: os.Stderr, Hup: hup}
	return m.Run(ctx)
}
