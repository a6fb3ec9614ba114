package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// filesPlan is what to measure of PUT → file.
type filesPlan struct{ services, instances, changes, rounds int }

// contender is one of the two programs with what was measured of it.
type contender struct {
	name, path  string
	first       []time.Duration // start to the first file
	delays      []time.Duration // change to file
	cpu         time.Duration   // for all changes
	changes     int
	connections int
	memory      int64 // resident, bytes
}

func (p filesPlan) run(ctx context.Context, dir string, programs programs) error {
	contenders := []*contender{{name: peerName, path: programs.peer}, {name: "ctmpl", path: programs.own}}
	agent, err := servers.StartConsul(ctx, servers.ConsulOptions{})
	if err != nil {
		return err
	}
	defer agent.Stop()
	catalog := &catalog{client: agent.Client, plan: p}
	if err := catalog.seed(); err != nil {
		return err
	}
	for range p.rounds {
		for _, c := range contenders {
			if err := c.measure(ctx, dir, agent.HTTPAddr, catalog); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
	}
	p.print(contenders)
	return nil
}

func (p filesPlan) print(contenders []*contender) {
	fmt.Printf("%d services × %d instances, %d changes each in %d rounds, %d cores, %s\n\n",
		p.services, p.instances, p.changes*p.rounds, p.rounds, runtime.NumCPU(), time.Now().UTC().Format(time.DateOnly))
	fmt.Println("| | start → first file, ms | PUT → file, ms, p50 | p90 | p99 | CPU per change, ms | connections | memory, MB |")
	fmt.Println("|---|---|---|---|---|---|---|---|")
	for _, c := range contenders {
		fmt.Printf("| %s | %s | %s | %s | %s | %s | %d | %d |\n", c.name,
			ms(quantile(c.first, 0.5)), ms(quantile(c.delays, 0.5)), ms(quantile(c.delays, 0.9)), ms(quantile(c.delays, 0.99)),
			ms(c.cpu/time.Duration(max(c.changes, 1))), c.connections, c.memory>>20)
	}
	peer, own := contenders[0], contenders[1]
	fmt.Printf("| ratio | %.2f | %.2f | %.2f | %.2f | %.2f | | %.2f |\n",
		ratio(quantile(own.first, 0.5), quantile(peer.first, 0.5)), ratio(quantile(own.delays, 0.5), quantile(peer.delays, 0.5)),
		ratio(quantile(own.delays, 0.9), quantile(peer.delays, 0.9)), ratio(quantile(own.delays, 0.99), quantile(peer.delays, 0.99)),
		ratio(own.cpu/time.Duration(max(own.changes, 1)), peer.cpu/time.Duration(max(peer.changes, 1))), float64(own.memory)/float64(max(peer.memory, 1)))
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(max(b, 1)) }

// quantile gives the value below which the share q of all lies.
func quantile(list []time.Duration, q float64) time.Duration {
	if len(list) == 0 {
		return 0
	}
	sorted := slices.Clone(list)
	slices.Sort(sorted)
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}
