// Command workers plays the story of this directory with real servers: weights follow the
// load that workers write into Consul. See README.md.
package main

import (
	"os"

	"github.com/ctmpl/ctmpl/internal/servers"
)

func main() { os.Exit(run()) }

// run gives the exit code: 0 when every step went as it should.
func run() int { return servers.Play("workers", play) }
