// Command gateway plays the story of this directory with real servers: Consul's
// catalog becomes nginx's http and stream. See README.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(run()) }

// run gives the exit code: 0 when every step went as it should, 2 for arguments that it
// does not know.
func run() int {
	flags := flag.NewFlagSet("gateway", flag.ContinueOnError)
	handwritten := flags.Bool("handwritten", false, "render nginx.conf.tmpl with a command line of consul-template, in place of @nginx/gateway.conf")
	if flags.Parse(os.Args[1:]) != nil || flags.NArg() > 0 {
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if err := play(ctx, *handwritten, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "gateway:", err)
		return 1
	}
	return 0
}
