// Command bench measures ctmpl beside consul-template on Consul agents of its own,
// and prints a table in Markdown for each of its parts.
//
//	go run ./internal/bench [-only PART] [-services 150,1000,5000] [-changes 150] [-rate 10] …
//
// Scale: at each number of services, both programs one after the other, each with an
// agent of its own that has the same in it: one with default limits for ctmpl, one
// with a raised limit of connections for consul-template, which needs one for each
// query. A change is a new port of an instance of a random service, at an even rate;
// its time is from the start of the PUT to the moment at which the file with that port
// is in place.
//
// Files: the same for one change after the other, on one agent, in turns, so that
// whatever else the machine does falls on both.
//
// Reloads: one way after the other to configure the two sees the same burst of
// changes, with an nginx of its own under load. What counts is how often nginx is
// reloaded, when the last change is live, and what is lost.
//
// These three are run when none is chosen. The others have to be asked for:
//
// Keys: changes of keys in the KV store, which a template asks for one by one, or as a tree.
//
// HTTPS: changes as in scale, ctmpl alone, with TLS.
//
// Growth: how costs grow with the number of services; draws docs/growth.svg.
//
// Soak: changes of all kinds for a long time, with ctmpl on an agent with default
// limits. Now and then the files are compared with the catalog. Exits with 1 when
// something was lost, a request was refused, or there were too many connections.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// plan is all that can be chosen.
type plan struct {
	only     string
	ctmpl    string // a program to measure in place of the one in this tree
	services []int  // none: what each part has by itself
	scale    scalePlan
	keys     keysPlan
	files    filesPlan
	reloads  reloadsPlan
	soak     soakPlan
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, readPlan())
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func readPlan() plan {
	p := plan{scale: scalePlan{full: true}}
	flag.StringVar(&p.only, "only", "", "one part: scale, files, reloads, keys, https, growth or soak")
	flag.StringVar(&p.ctmpl, "ctmpl", "", "a ctmpl to measure, by default the one in this tree is built")
	flag.Func("services", "scale, https, growth, soak: services in the catalog, as in 150,1000,5000", func(text string) (err error) {
		p.services, err = numbers(text)
		return err
	})
	flag.IntVar(&p.scale.instances, "instances", 5, "scale, https, growth, soak: instances of each service")
	flag.IntVar(&p.scale.nodes, "nodes", 500, "scale, https, growth, soak: nodes")
	flag.IntVar(&p.scale.racks, "racks", 20, "scale, https, growth, soak: racks of the nodes, by their metadata; 0 for none")
	flag.IntVar(&p.scale.changes, "changes", 150, "scale, keys, https: changes in each round")
	flag.Float64Var(&p.scale.rate, "rate", 10, "scale, keys, https, soak: changes per second")
	flag.IntVar(&p.scale.rounds, "rounds", 1, "scale, keys, https: turns of each program")
	flag.DurationVar(&p.scale.calm, "calm", 45*time.Second, "scale: time after the last change until what is used while nothing changes is measured")
	flag.DurationVar(&p.scale.idle, "idle", 30*time.Second, "scale: time without changes")
	flag.IntVar(&p.keys.single, "keys", 5000, "keys: calls of the function key")
	flag.IntVar(&p.keys.tree, "tree", 10_000, "keys: keys in the tree")
	flag.DurationVar(&p.soak.length, "for", 30*time.Minute, "soak: time with changes")
	flag.IntVar(&p.soak.comparisons, "comparisons", 20, "soak: moments at which the files are compared with the catalog, beside the end")
	flag.IntVar(&p.soak.allowed, "connections", 100, "soak: connections that may be open at once")
	flag.IntVar(&p.files.services, "files-services", 150, "files: services in the catalog")
	flag.IntVar(&p.files.changes, "files-changes", 200, "files: changes in each round")
	flag.IntVar(&p.files.rounds, "files-rounds", 3, "files: turns of each program")
	flag.IntVar(&p.reloads.services, "burst-services", 50, "reloads: services in the catalog")
	flag.IntVar(&p.reloads.instances, "burst-instances", 4, "reloads: instances of each service")
	flag.IntVar(&p.reloads.changes, "burst-changes", 1000, "reloads: changes")
	flag.DurationVar(&p.reloads.burst, "burst", 10*time.Second, "reloads: the time of all changes")
	flag.IntVar(&p.reloads.clients, "clients", 8, "reloads: clients that keep their connection")
	flag.Parse()
	p.files.instances, p.files.nodes, p.files.racks = p.scale.instances, p.scale.nodes, p.scale.racks
	p.soak.shape, p.soak.rate = p.scale.shape, p.scale.rate
	return p
}

// numbers reads "150,1000".
func numbers(text string) (list []int, err error) {
	for field := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(field)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is no number of services", field)
		}
		list = append(list, n)
	}
	return list, nil
}

// part is one of the measurements.
type part func(ctx context.Context, dir string, programs programs) error

func (p plan) parts() map[string]part {
	return map[string]part{
		"scale": func(ctx context.Context, dir string, programs programs) error {
			return scales(ctx, dir, programs, p.scale, p.or(150, 1000, 5000))
		},
		"files":   p.files.run,
		"reloads": p.reloads.run,
		"keys": func(ctx context.Context, dir string, programs programs) error {
			return p.keys.run(ctx, dir, programs, p.scale)
		},
		"https": func(ctx context.Context, dir string, programs programs) error {
			return https(ctx, dir, programs, p.scale, p.or(5000))
		},
		"growth": func(ctx context.Context, dir string, programs programs) error {
			return growth(ctx, dir, programs, p.scale, p.or(150, 500, 1000, 2000, 5000, 10000))
		},
		"soak": func(ctx context.Context, dir string, programs programs) error {
			p.soak.services = p.or(5000)[0]
			return p.soak.run(ctx, dir, programs)
		},
	}
}

// or gives the numbers of services that were asked for, or these.
func (p plan) or(services ...int) []int {
	if len(p.services) > 0 {
		return p.services
	}
	return services
}

// run makes what all parts need, and runs those that are asked for.
func run(ctx context.Context, p plan) error {
	names := []string{"scale", "files", "reloads"}
	if p.only != "" {
		names = []string{p.only}
	}
	parts := p.parts()
	if parts[names[0]] == nil {
		return fmt.Errorf("-only %s: there is no such part", p.only)
	}
	dir, err := os.MkdirTemp("", "ctmpl-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	programs, err := findPrograms(ctx, dir, p.ctmpl)
	if err != nil {
		return err
	}
	for i, name := range names {
		if i > 0 {
			fmt.Println()
		}
		if err := parts[name](ctx, dir, programs); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// programs are the paths of the two.
type programs struct{ peer, own string }

// findPrograms builds ctmpl, unless there is one, and finds consul-template.
func findPrograms(ctx context.Context, dir, own string) (programs, error) {
	peer, err := servers.ConsulTemplatePath()
	if err != nil || own != "" {
		return programs{peer: peer, own: own}, err
	}
	own = filepath.Join(dir, "ctmpl")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", own, "./cmd/ctmpl").CombinedOutput(); err != nil {
		return programs{}, fmt.Errorf("cannot build ctmpl: %w\n%s", err, out)
	}
	return programs{peer: peer, own: own}, nil
}

// peerName is how the tables call consul-template.
const peerName = "consul-template 0.41.1"
