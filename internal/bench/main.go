// Command bench measures ctmpl beside consul-template on one Consul agent, and
// prints a table in Markdown for each of its two parts.
//
//	go run ./internal/bench [-only files|reloads] [-services 150] [-changes 200] [-burst 10s] …
//
// Files: the two take turns, in rounds, so that whatever else the machine does falls
// on both. A change is a new port of one instance; its time is from the start of the
// PUT to the moment at which the file with that port is in place.
//
// Reloads: one way after the other to configure the two sees the same burst of
// changes, with an nginx of its own under load. What counts is how often nginx is
// reloaded, when the last change is live, and what is lost.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var f filesPlan
	flag.IntVar(&f.services, "services", 150, "files: services in the catalog")
	flag.IntVar(&f.instances, "instances", 5, "files: instances of each service")
	flag.IntVar(&f.changes, "changes", 200, "files: changes in each round")
	flag.IntVar(&f.rounds, "rounds", 3, "files: turns of each program")
	var r reloadsPlan
	flag.IntVar(&r.services, "burst-services", 50, "reloads: services in the catalog")
	flag.IntVar(&r.instances, "burst-instances", 4, "reloads: instances of each service")
	flag.IntVar(&r.changes, "burst-changes", 1000, "reloads: changes")
	flag.DurationVar(&r.burst, "burst", 10*time.Second, "reloads: the time of all changes")
	flag.IntVar(&r.clients, "clients", 8, "reloads: clients that keep their connection")
	only := flag.String("only", "", `one part, "files" or "reloads"`)
	flag.Parse()
	if err := run(ctx, *only, f, r); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run makes what all parts need, and runs those that are asked for.
func run(ctx context.Context, only string, files filesPlan, reloads reloadsPlan) error {
	dir, err := os.MkdirTemp("", "ctmpl-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	programs, err := findPrograms(ctx, dir)
	if err != nil {
		return err
	}
	switch only {
	case "files":
		return files.run(ctx, dir, programs)
	case "reloads":
		return reloads.run(ctx, dir, programs)
	case "":
		if err := files.run(ctx, dir, programs); err != nil {
			return err
		}
		fmt.Println()
		return reloads.run(ctx, dir, programs)
	}
	return fmt.Errorf(`-only %s: want "files" or "reloads"`, only)
}

// programs are the paths of the two.
type programs struct{ peer, own string }

// findPrograms builds ctmpl and finds consul-template.
func findPrograms(ctx context.Context, dir string) (programs, error) {
	peer, err := servers.ConsulTemplatePath()
	if err != nil {
		return programs{}, err
	}
	own := filepath.Join(dir, "ctmpl")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", own, "./cmd/ctmpl").CombinedOutput(); err != nil {
		return programs{}, fmt.Errorf("cannot build ctmpl: %w\n%s", err, out)
	}
	return programs{peer: peer, own: own}, nil
}

// peerName is how the tables call consul-template.
const peerName = "consul-template 0.41.1"

func ms(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d)/float64(time.Millisecond)) }
