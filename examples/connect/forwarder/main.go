// Command forwarder takes connections of nginx to Consul's service mesh, and proves
// what nginx cannot: that who answers is the service that was asked for.
//
//	forwarder -cert web.pem -roots web.roots.pem -sockets /run/mesh socat.routes ...
//
// Each line of a routes file is a service and the address of an instance, "socat
// 10.0.0.1:21000". For each the forwarder listens on a unix socket SERVICE@ADDRESS and
// leads what comes there to the address.
//
// What it guarantees:
//
//   - The other end has a certificate of the mesh, by its roots and in its time, for
//     the service of the line and no other (its SPIFFE ID), before it gets a byte.
//   - nginx speaks TLS to the socket, too, and this handshake is done when the other one
//     is. So an instance that is away, slow or somebody else is to nginx a server that
//     has failed: it asks the next one, and max_fails and timeouts mean what they say.
//     Who does not want us says so after the handshake (TLS 1.3), and the log does.
//   - Certificate, roots and routes are followed while connections live: these stay
//     as they are, and new ones are made with what is new. What is bad is told, and the
//     last good one stays.
//   - A key is never printed, and not taken from a file that everybody may read. Nor are
//     there sockets in a directory that everybody may write to.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() { os.Exit(run(os.Args[1:], os.Stderr)) }

// run gives the exit code: 0 after a signal, 2 for bad flags, 1 for what else is wrong.
func run(args []string, errs io.Writer) int {
	o, err := parse(args, errs)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(errs, "forwarder:", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := follow(ctx, o, slog.New(slog.NewTextHandler(errs, nil))); err != nil {
		fmt.Fprintln(errs, "forwarder:", err)
		return 1
	}
	return 0
}

// options are what the command line says.
type options struct {
	cert    string // the certificate with its key
	roots   string
	sockets string // directory
	timeout time.Duration
	routes  []string // files
}

func parse(args []string, errs io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("forwarder", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.cert, "cert", "", "`file` with our certificate and its key")
	flags.StringVar(&o.roots, "roots", "", "`file` with the roots of the mesh")
	flags.StringVar(&o.sockets, "sockets", "", "`directory` of the sockets; whoever may connect there speaks in our name")
	flags.DurationVar(&o.timeout, "timeout", 10*time.Second, "how long connecting to an instance may take")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			flags.SetOutput(errs)
			flags.Usage()
		}
		return o, err
	}
	o.routes = flags.Args()
	if o.cert == "" || o.roots == "" || o.sockets == "" || len(o.routes) == 0 {
		return o, errors.New("-cert, -roots, -sockets and a file with routes have to be given (see -help)")
	}
	if o.timeout <= 0 {
		return o, fmt.Errorf("-timeout has to be more than 0, not %s", o.timeout)
	}
	return o, nil
}
