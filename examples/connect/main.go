// Command connect plays the story of this directory with real servers: nginx takes
// the place of Consul's own proxy in the service mesh. See README.md.
package main

import (
	"os"

	"github.com/ctmpl/ctmpl/internal/servers"
)

func main() { os.Exit(run()) }

// run gives the exit code: 0 when every step went as it should.
func run() int { return servers.Play("connect", play) }
