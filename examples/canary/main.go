// Command canary plays the story of this directory with real servers: a release that goes
// from v1 to v2 by a percentage in Consul's KV store. See README.md.
package main

import (
	"os"

	"github.com/ctmpl/ctmpl/internal/servers"
)

func main() { os.Exit(run()) }

// run gives the exit code: 0 when every step went as it should.
func run() int { return servers.Play("canary", play) }
