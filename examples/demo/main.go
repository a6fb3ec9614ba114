// Command demo shows what ctmpl does, as a story that plays by itself: backends, a
// real ctmpl and a real nginx run on 127.0.0.1, a catalog file stands for Consul,
// and requests are sent all the while.
//
//	go run ./examples/demo
//
// What it guarantees:
//
//   - It needs no root, no Consul and no particular port, and touches nothing
//     outside a temporary directory.
//   - Each step is checked, not just shown. The exit code is 0 when every step took
//     effect and no request failed.
//   - On a terminal it stays at the end, to be played with, until Ctrl-C. Elsewhere
//     it ends by itself.
//   - Whatever it has started has ended when it ends, also after Ctrl-C, and its
//     directory is gone. A second Ctrl-C kills what has not ended yet.
//   - Without nginx it shows what is rendered.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, hurry, stop := signals()
	defer stop()
	d := &demo{page: newPage(os.Stdout), stays: isTerminal(os.Stdin) && isTerminal(os.Stdout)}
	err := d.run(ctx)
	var by *stoppedBy
	stopped := errors.As(context.Cause(ctx), &by)
	if stopped && err != nil { // of which the signal is the cause
		err = by
	}
	clean := d.end(hurry)
	switch {
	case clean != nil || err != nil && !stopped:
		fmt.Fprintln(os.Stderr, "demo:", errors.Join(err, clean))
		return 1
	case stopped:
		d.page.say("Stopped. All that was started has ended, and its directory is removed.")
	}
	if err != nil {
		return 128 + int(by.signal)
	}
	return 0
}

// stoppedBy says that a signal asked the demo to end.
type stoppedBy struct{ signal syscall.Signal }

func (s *stoppedBy) Error() string { return "stopped by " + s.signal.String() }

// signals gives a context that ends with the first signal, and one that ends with
// the second. A reader that goes away (SIGPIPE) is such a signal, too: otherwise
// the next line printed would be the end of the demo, and not of what it started.
func signals() (ctx, hurry context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	hurry, hurryUp := context.WithCancel(context.Background())
	arrived := make(chan os.Signal, 8)
	signal.Notify(arrived, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	go func() {
		for s := range arrived {
			if ctx.Err() == nil {
				cancel(&stoppedBy{s.(syscall.Signal)})
			} else if s != syscall.SIGPIPE { // which each further line sends
				hurryUp()
			}
		}
	}()
	return ctx, hurry, func() {
		signal.Stop(arrived)
		close(arrived)
	}
}
