// Command canary plays the story of this directory with real servers: a release that goes
// from v1 to v2 by a percentage in Consul's KV store. See README.md.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(run()) }

// run gives the exit code: 0 when every step went as it should.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if err := play(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "canary:", err)
		return 1
	}
	return 0
}
