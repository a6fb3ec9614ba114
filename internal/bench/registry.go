package main

import (
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/hashicorp/consul/api"
	"golang.org/x/sync/errgroup"
)

// shape is how much is in Consul. With racks each node has one in its metadata.
type shape struct{ services, instances, nodes, racks int }

func (s shape) String() string {
	return fmt.Sprintf("%d instances of each service on %d nodes in %d racks", s.instances, s.nodes, s.racks)
}

// meta is the metadata of a node.
func (s shape) meta(node int) map[string]string {
	if s.racks == 0 {
		return nil
	}
	return map[string]string{"rack": fmt.Sprint(node % s.racks)}
}

// firstPort is below all ports that changes set; each is used once.
const firstPort = 10_000

// registry is what is in one Consul, and changes it: two with the same shape get the
// same changes. Methods are for any number of goroutines.
type registry struct {
	client *api.Client
	shape

	mu      sync.Mutex
	random  *rand.Rand
	made    int   // ports given out
	turns   []int // by service: how often it was changed
	changed []int // services, in the order of their changes
}

func newRegistry(client *api.Client, s shape) *registry {
	return &registry{client: client, shape: s, random: rand.New(rand.NewPCG(1, 2)), turns: make([]int, s.services)}
}

func (r *registry) template() string { return serviceTemplate }

func (r *registry) lines() int { return r.services * r.instances }

// seed registers all nodes with their health, and all instances with a check each.
func (r *registry) seed() error {
	var ops api.TxnOps
	for n := range r.nodes {
		node := nodeName(n)
		ops = append(ops,
			&api.TxnOp{Node: &api.NodeTxnOp{Verb: api.NodeSet, Node: api.Node{Node: node, Address: nodeAddress(n), Meta: r.meta(n)}}},
			&api.TxnOp{Check: &api.CheckTxnOp{Verb: api.CheckSet, Check: api.HealthCheck{
				Node: node, CheckID: nodeCheck, Name: nodeCheckName, Status: api.HealthPassing, Output: "Agent alive and reachable",
			}}})
	}
	if err := transact(r.client, ops); err != nil {
		return err
	}
	ops = nil
	for s := range r.services {
		for i := range r.instances {
			ops = append(ops, r.shape.instance(s, i)...)
		}
	}
	return transact(r.client, ops)
}

// nodeCheck is the health of a node. It is not called serfHealth: Consul takes nodes
// away that have such a check and are no members of its cluster, once a minute.
const nodeCheck, nodeCheckName = "externalNodeHealth", "External Node Status"

func nodeName(n int) string    { return fmt.Sprintf("node-%d", n) }
func nodeAddress(n int) string { return fmt.Sprintf("10.0.%d.%d", n/250, n%250+1) }

// instance is a service with its check.
func (s shape) instance(service, index int) api.TxnOps {
	node, instance := s.node(service, index), newInstance(service, index, 1+service%firstPort)
	return api.TxnOps{
		&api.TxnOp{Service: &api.ServiceTxnOp{Verb: api.ServiceSet, Node: node, Service: *instance}},
		&api.TxnOp{Check: &api.CheckTxnOp{Verb: api.CheckSet, Check: api.HealthCheck{
			Node: node, CheckID: "service:" + instance.ID, Name: "HTTP on /health", ServiceID: instance.ID, ServiceName: instance.Service,
			Status: api.HealthPassing, Output: "HTTP GET /health: 200 OK", Type: "http",
		}}},
	}
}

// node spreads the instances of a service, and all services, over all nodes.
func (s shape) node(service, index int) string {
	return nodeName((service*s.instances + index) % s.nodes)
}

// newInstance has no address of its own, so that it has the one of its node.
func newInstance(service, index, port int) *api.AgentService {
	return &api.AgentService{
		ID: fmt.Sprintf("svc-%d-%d", service, index), Service: fmt.Sprintf("svc-%d", service), Port: port,
		Tags: []string{"http", "zone-" + string(rune('a'+index%3))}, Meta: map[string]string{"version": fmt.Sprintf("1.%d.0", service%7), "team": fmt.Sprintf("team-%d", service%40)},
	}
}

// transact sends as many at once as Consul takes, and some at the same time.
func transact(client *api.Client, ops api.TxnOps) error {
	const most, atOnce = 120, 4
	var group errgroup.Group
	group.SetLimit(atOnce)
	for len(ops) > 0 {
		part := ops[:min(most, len(ops))]
		ops = ops[len(part):]
		group.Go(func() error {
			ok, response, _, err := client.Txn().Txn(part, nil)
			if err == nil && !ok {
				err = fmt.Errorf("%s", response.Errors[0].What)
			}
			return err
		})
	}
	return group.Wait()
}

// change gives an instance of a random service a port that was not used before; of
// one of the recently changed, if recent is not 0. It tells what, before it does it.
func (r *registry) change(recent int, tell func(instance string, port int)) error {
	service, index := r.next(recent)
	port := r.port()
	tell(newInstance(service, index, port).ID, port)
	return r.register(service, index, port)
}

func (r *registry) register(service, index, port int) error {
	_, err := r.client.Catalog().Register(&api.CatalogRegistration{
		Node: r.node(service, index), SkipNodeUpdate: true, Service: newInstance(service, index, port),
	}, nil)
	return err
}

// next takes the instances of a service in turn.
func (r *registry) next(recent int) (service, index int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if recent > 0 {
		service = r.changed[len(r.changed)-1-r.random.IntN(min(recent, len(r.changed)))]
	} else {
		service = r.random.IntN(r.services)
		r.changed = append(r.changed, service)
	}
	index = r.turns[service] % r.instances
	r.turns[service]++
	return service, index
}

func (r *registry) port() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.made++
	return firstPort + r.made
}
