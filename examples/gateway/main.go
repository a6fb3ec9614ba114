// Command gateway plays the story of this directory with real servers: Consul's
// catalog becomes nginx's http and stream. See README.md.
package main

import (
	"context"
	"flag"
	"io"
	"os"

	"github.com/ctmpl/ctmpl/internal/servers"
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
	return servers.Play("gateway", func(ctx context.Context, out io.Writer) error { return play(ctx, *handwritten, out) })
}
