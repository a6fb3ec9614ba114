// Command grpc plays the story of this directory with real servers: gRPC services of
// Consul's catalog behind one address of nginx. See README.md.
package main

import (
	"os"

	"github.com/ctmpl/ctmpl/internal/servers"
)

func main() { os.Exit(run()) }

// run gives the exit code: 0 when every step went as it should.
func run() int { return servers.Play("grpc", play) }
