package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"
)

// Cluster is a Consul cluster of real servers with data directories, each on a
// loopback address of its own: 127.0.0.1, 127.0.0.2, … Its methods are for one
// goroutine at a time.
type Cluster struct {
	Servers []*Consul
	Clients []*Consul

	opts ConsulOptions
	join []string
}

// StartCluster starts n servers (3 or 5) and returns when all of them have the
// same leader and know each other: in about five seconds. Of opts, Config, ACL
// and DNS count for every server.
func StartCluster(ctx context.Context, n int, opts ConsulOptions) (*Cluster, error) {
	c := &Cluster{opts: opts}
	if err := c.start(ctx, n); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context, n int) error {
	agents, err := c.serverAgents(n)
	if err != nil {
		return err
	}
	return c.launch(ctx, agents)
}

func (c *Cluster) launch(ctx context.Context, agents []agent) error {
	for _, a := range agents {
		server, err := newConsul(a)
		if err != nil {
			return err
		}
		c.Servers = append(c.Servers, server)
		if err := server.launch(); err != nil {
			return err
		}
	}
	return c.awaitAll(ctx)
}

// awaitAll awaits the servers at the same time: one that has ended is the reason why the
// others wait.
func (c *Cluster) awaitAll(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make(chan error, len(c.Servers))
	for _, server := range c.Servers {
		go func() { errs <- server.await(ctx, c.complete(server)) }()
	}
	var first error
	for range c.Servers {
		if err := <-errs; err != nil && first == nil {
			first = err
			cancel()
		}
	}
	return first
}

// serverAgents plans the servers, who have to know the ports of each other.
func (c *Cluster) serverAgents(n int) ([]agent, error) {
	var agents []agent
	for i := range n {
		opts := c.opts
		opts.Node, opts.HTTPPort = fmt.Sprintf("consul-%d", i+1), 0
		a, err := newAgent(clusterServer, c.ip(i), opts)
		if err != nil {
			return nil, err
		}
		a.servers = n
		agents = append(agents, a)
		c.join = append(c.join, net.JoinHostPort(a.ip, strconv.Itoa(a.serf)))
	}
	for i := range agents {
		agents[i].join = c.join
	}
	return agents, nil
}

// ip gives each agent of the cluster an address of its own: nodes with the same
// address are one node to some parts of Consul.
func (c *Cluster) ip(i int) string { return fmt.Sprintf("127.0.0.%d", i+1) }

// complete says whether a server sees a leader and all servers as peers and in
// the catalog.
func (c *Cluster) complete(server *Consul) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := server.ready(ctx); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, askTime)
		defer cancel()
		query := (&api.QueryOptions{}).WithContext(ctx)
		peers, err := server.Client.Status().PeersWithQueryOptions(query)
		if err != nil {
			return err
		}
		nodes, _, err := server.Client.Catalog().Nodes(query)
		if err != nil {
			return err
		}
		if len(peers) < len(c.Servers) || len(nodes) < len(c.Servers) {
			return fmt.Errorf("it sees %d of %d peers and %d nodes", len(peers), len(c.Servers), len(nodes))
		}
		return nil
	}
}

// AddClient starts a client agent on an address of its own that joins the
// servers. Of opts, Persistent has no meaning; ACL is the cluster's.
func (c *Cluster) AddClient(ctx context.Context, opts ConsulOptions) (*Consul, error) {
	if opts.Node == "" {
		opts.Node = fmt.Sprintf("client-%d", len(c.Clients)+1)
	}
	opts.ACL = c.opts.ACL
	a, err := newAgent(clusterClient, c.ip(len(c.Servers)+len(c.Clients)), opts)
	if err != nil {
		return nil, err
	}
	a.join = c.join
	client, err := newConsul(a)
	if err != nil {
		return nil, err
	}
	c.Clients = append(c.Clients, client) // Stop finds it, whatever happens now
	if err := client.start(ctx); err != nil {
		return nil, err
	}
	return client, nil
}

// Leader gives the server that leads, and waits for an election if it has to.
// The server it returns answers consistent reads.
func (c *Cluster) Leader(ctx context.Context) (*Consul, error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	var leader *Consul
	err := Wait(ctx, func() (err error) {
		leader, err = c.findLeader(ctx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("wait for a leader of the cluster: %w", err)
	}
	return leader, nil
}

// findLeader asks each server that runs about itself: what the others say of the
// leader can be old.
func (c *Cluster) findLeader(ctx context.Context) (*Consul, error) {
	var failed error
	for _, server := range c.Servers {
		if !server.Running() {
			continue
		}
		err := server.leads(ctx)
		if err == nil {
			return server, nil
		}
		failed = errors.Join(failed, fmt.Errorf("%s: %w", server.Node, err))
	}
	if failed == nil {
		failed = errors.New("no server runs")
	}
	return nil, failed
}

// leads returns nil when the server leads and can prove it.
func (c *Consul) leads(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	query := (&api.QueryOptions{RequireConsistent: true}).WithContext(ctx)
	var self struct {
		Stats struct{ Consul map[string]string }
	}
	if _, err := c.Client.Raw().Query("/v1/agent/self", &self, query); err != nil {
		return err
	}
	if self.Stats.Consul["leader"] != "true" {
		return errors.New("does not lead")
	}
	_, _, err := c.Client.KV().Get("leader-test", query)
	return err
}

// Stop ends all agents for good and removes their files.
func (c *Cluster) Stop() error {
	agents := slices.Concat(c.Clients, c.Servers)
	errs := make([]error, len(agents))
	var group sync.WaitGroup
	for i, agent := range agents {
		group.Go(func() { errs[i] = agent.Stop() })
	}
	group.Wait()
	return errors.Join(errs...)
}
