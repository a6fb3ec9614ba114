package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// reloadsPlan is the burst of changes.
type reloadsPlan struct {
	services, instances, changes int
	burst                        time.Duration
	clients                      int
}

func (p reloadsPlan) run(ctx context.Context, dir string, programs programs) error {
	if p.instances < 2 || p.services*p.instances > maxInstances {
		return fmt.Errorf("the burst needs 2 instances of each service or more, and %d in all or fewer", maxInstances)
	}
	agent, err := servers.StartConsul(ctx, servers.ConsulOptions{})
	if err != nil {
		return err
	}
	defer agent.Stop()
	backend, err := servers.StartHTTPBackend(stable)
	if err != nil {
		return err
	}
	defer backend.Kill()
	_, err = agent.Client.Catalog().Register(&api.CatalogRegistration{
		Node: stable, Address: "127.0.0.1", Service: &api.AgentService{ID: stable, Service: stable, Port: backend.Port, Tags: []string{"http"}},
	}, nil)
	if err != nil {
		return err
	}
	fleet, ways := newFleet(agent.Client, p.services, p.instances), waysOf(programs)
	for _, w := range ways {
		if err := p.turn(ctx, dir, agent.HTTPAddr, backend.Port, fleet, w); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
	}
	p.table(ways, fleet).print(os.Stdout)
	return nil
}

// turn gives one way its nginx and its burst.
func (p reloadsPlan) turn(ctx context.Context, dir, addr string, stablePort int, fleet *fleet, w *way) (err error) {
	if err := fleet.reset(); err != nil {
		return err
	}
	home, err := os.MkdirTemp(dir, "site-")
	if err != nil {
		return err
	}
	site, err := startSite(ctx, home)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, site.Stop()) }()
	run, err := w.start(ctx, site, addr)
	if err != nil {
		return err
	}
	defer run.stop()
	if err := site.until(run.lives, append(fleet.ports(), stablePort)); err != nil {
		return run.explain(fmt.Errorf("the first output: %w", err))
	}
	site.settle(run.lives)
	fleet.begin()
	if err := p.play(run.lives, site, stablePort, fleet, w); err != nil {
		return run.explain(err)
	}
	run.stop() // a command under way is brought to its end, and counts
	pause(ctx, 200*time.Millisecond)
	commands, signals, done := site.reloads()
	w.asked, w.done = max(commands, signals), done // the driver runs no command
	w.delays = fleet.delays
	return nil
}

// play makes the burst under load, and returns when its end is live.
func (p reloadsPlan) play(ctx context.Context, site *site, stablePort int, fleet *fleet, w *way) error {
	load := servers.StartLoad(servers.LoadOptions{Addr: site.load, Pause: clientPause})
	defer load.Stop()
	kept := startClients(site.load, p.clients)
	defer kept.stop()
	defer follow(ctx, site, fleet)()
	start := time.Now()
	if err := fleet.play(ctx, p.changes, p.burst); err != nil {
		return err
	}
	end := time.Now()
	if late := end.Sub(start) - p.burst; late > p.burst/10 {
		fmt.Fprintf(os.Stderr, "bench: %s: Consul needed %s more for the changes\n", w.name, late.Round(time.Millisecond))
	}
	ports := append(fleet.ports(), stablePort)
	if err := site.until(ctx, ports); err != nil {
		return err
	}
	w.last = time.Since(end)
	fleet.seen(ports) // if this was seen before the follower has
	kept.stop()
	w.single, w.kept, w.keptLost = load.Stop(), kept.requests.Load(), kept.lost.Load()
	return nil
}

// follow lets the fleet see what nginx serves, until it is stopped.
func follow(ctx context.Context, site *site, fleet *fleet) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() { site.follow(ctx, fleet.seen) })
	return func() {
		cancel()
		group.Wait()
	}
}

func (p reloadsPlan) table(ways []*way, fleet *fleet) *table {
	t := &table{
		what: fmt.Sprintf("%d changes in %s, of which %d take an instance away, %d services × %d instances, %d clients that keep their connection",
			p.changes, p.burst, fleet.removals, p.services, p.instances, p.clients),
		columns: []string{"", "reloads asked for", "reloads done", "change live after, ms, p50", "longest", "the last one", "lost, a connection each", "lost, kept connections"},
	}
	for _, w := range ways {
		t.row(w.name, strconv.Itoa(w.asked), strconv.Itoa(w.done), whole(quantile(w.delays, 0.5)), whole(quantile(w.delays, 1)), whole(w.last),
			fmt.Sprintf("%d of %d", w.single.Failures, w.single.Requests), fmt.Sprintf("%d of %d", w.keptLost, w.kept))
	}
	return t
}

// whole is a time in milliseconds.
func whole(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
