package catalog

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/internal/conf"
	"github.com/ctmpl/ctmpl/watch"
)

// builder turns definitions into a state.
type builder struct {
	state *state
	nodes map[string]*nodeState // by name, folded: Consul does not look at its case
	ids   map[serviceKey]*instance
	errs  []error
}

type nodeState struct {
	*watch.Node
	checks api.HealthChecks
}

// serviceKey identifies an instance, by folded names.
type serviceKey struct{ node, id string }

type instance struct {
	*watch.ServiceInstance
	pos    conf.Pos
	node   *nodeState
	tags   []string // in the order of the file, as checks have them
	checks api.HealthChecks
}

func (d *definitions) build(old *state) (*state, error) {
	b := &builder{
		state: &state{
			version: old.version + 1, datacenter: d.Datacenter,
			instances: map[string][]*watch.ServiceInstance{}, services: map[*watch.ServiceInstance]*watch.NodeService{},
			mesh: map[string][]*watch.ServiceInstance{},
		},
		nodes: map[string]*nodeState{}, ids: map[serviceKey]*instance{},
	}
	if len(d.Nodes) == 0 {
		d.Nodes = []nodeDef{{Name: "local", Address: "127.0.0.1"}}
	}
	b.state.own = d.Nodes[0].Name
	for _, n := range d.Nodes {
		b.addNode(n)
	}
	for _, s := range d.Services {
		b.addService(s)
	}
	for _, c := range d.Checks {
		b.addCheck(c)
	}
	b.finish()
	b.state.keys = pairs(d.KV, old, b.state.version)
	return b.state, errors.Join(b.errs...)
}

func (b *builder) fail(pos conf.Pos, format string, args ...any) {
	b.errs = append(b.errs, pos.Errorf(format, args...))
}

func (b *builder) addNode(n nodeDef) {
	switch {
	case n.Name == "":
		b.fail(n.Pos, "a node needs a name")
		return
	case b.nodes[strings.ToLower(n.Name)] != nil:
		b.fail(n.Pos, "node %q is defined twice", n.Name)
		return
	}
	node := &nodeState{Node: &watch.Node{
		ID: n.ID, Node: n.Name, Address: cmp.Or(n.Address, "127.0.0.1"), Datacenter: b.state.datacenter,
		TaggedAddresses: filled(n.TaggedAddresses), Meta: filled(n.Meta),
	}}
	b.nodes[strings.ToLower(n.Name)] = node
	b.state.nodes = append(b.state.nodes, node.Node)
	for _, c := range n.Checks {
		node.checks = append(node.checks, b.nodeCheck(c, node))
	}
}

// find gives the node of that name, by default the first one, or reports that what
// is on it has nowhere to be.
func (b *builder) find(name, what string, pos conf.Pos) *nodeState {
	name = cmp.Or(name, b.state.own)
	node := b.nodes[strings.ToLower(name)]
	if node == nil {
		known := make([]string, 0, len(b.state.nodes))
		for _, n := range b.state.nodes {
			known = append(known, n.Node)
		}
		b.fail(pos, "%s is on node %q, which is not defined%s", what, name, conf.DidYouMean(name, known))
	}
	return node
}

func (b *builder) addService(s serviceDef) {
	id := cmp.Or(s.ID, s.Name)
	if s.Name == "" {
		b.fail(s.Pos, "a service needs a name")
		return
	}
	node := b.find(s.Node, fmt.Sprintf("service %q", id), s.Pos)
	if node == nil {
		return
	}
	key := serviceKey{node.Node.Node, strings.ToLower(id)}
	switch {
	case b.ids[key] != nil:
		b.fail(s.Pos, "service ID %q is defined twice on node %q, first at %s: give each instance an id of its own", id, node.Node.Node, b.ids[key].pos)
		return
	case s.CreateIndex < 0:
		b.fail(s.Pos, "service %q: create_index is less than 0", id)
		return
	case s.Port < 0 || s.Port > 65535:
		b.fail(s.Pos, "service %q: port %d is not in 0 to 65535", id, s.Port)
		return
	}
	i := &instance{pos: s.Pos, node: node, tags: orEmpty(s.Tags), ServiceInstance: &watch.ServiceInstance{
		ID: id, Name: s.Name, Kind: s.Kind, Address: cmp.Or(s.Address, node.Address), Port: s.Port, CreateIndex: uint64(s.CreateIndex),
		Tags: watch.SortTags(s.Tags), ServiceMeta: filled(s.Meta), Weights: s.Weights.values(),
		ServiceTaggedAddresses: tagged(s.TaggedAddresses),
		Node:                   node.Node.Node, NodeID: node.ID, NodeAddress: node.Address, NodeDatacenter: node.Datacenter,
		NodeMeta: node.Meta, NodeTaggedAddresses: node.TaggedAddresses,
	}}
	for _, c := range s.Checks {
		i.checks = append(i.checks, b.serviceCheck(c, i, len(s.Checks)))
	}
	b.ids[key] = i
	b.state.instances[s.Name] = append(b.state.instances[s.Name], i.ServiceInstance)
	b.addToMesh(s, i)
	b.state.services[i.ServiceInstance] = &watch.NodeService{
		ID: id, Service: s.Name, Tags: i.Tags, Meta: i.ServiceMeta, Port: i.Port, Address: s.Address, EnableTagOverride: s.EnableTagOverride,
	}
}

// addToMesh notes which service the instance is a way to: that behind it when it is a
// proxy, its own when it can do without one.
func (b *builder) addToMesh(s serviceDef, i *instance) {
	name := ""
	switch proxy := s.Kind == string(api.ServiceKindConnectProxy); {
	case proxy && s.Proxy.Destination == "":
		b.fail(s.Pos, "service %q is a connect-proxy: its proxy block needs a destination_service_name", i.ID)
	case proxy && s.Connect.Native:
		b.fail(s.Pos, "service %q is a connect-proxy: only a service that is none can be native", i.ID)
	case proxy:
		name = s.Proxy.Destination
	case s.Connect.Native:
		name = s.Name
	}
	if name != "" {
		name = strings.ToLower(name)
		b.state.mesh[name] = append(b.state.mesh[name], i.ServiceInstance)
	}
}

// filled gives nil for an empty map, as the Consul source does.
func filled(m map[string]string) map[string]string {
	if len(m) == 0 {
		return nil
	}
	return m
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// values are the weights, 1 where none is given, as in Consul.
func (w weightsDef) values() api.AgentWeights {
	weights := api.AgentWeights{Passing: 1, Warning: 1}
	if w.Passing != nil {
		weights.Passing = *w.Passing
	}
	if w.Warning != nil {
		weights.Warning = *w.Warning
	}
	return weights
}

func tagged(defs map[string]addressDef) map[string]api.ServiceAddress {
	var out map[string]api.ServiceAddress
	for name, a := range defs {
		if out == nil {
			out = map[string]api.ServiceAddress{}
		}
		out[name] = api.ServiceAddress{Address: a.Address, Port: a.Port}
	}
	return out
}

// addCheck adds a check that stands by itself: of the service with its service_id,
// or of the node.
func (b *builder) addCheck(c checkDef) {
	node := b.find(c.Node, "a check", c.Pos)
	if node == nil {
		return
	}
	if c.ServiceID == "" {
		node.checks = append(node.checks, b.nodeCheck(c, node))
		return
	}
	i := b.ids[serviceKey{node.Node.Node, strings.ToLower(c.ServiceID)}]
	if i == nil {
		b.fail(c.Pos, "a check is for service ID %q, which is not defined on node %q", c.ServiceID, node.Node.Node)
		return
	}
	i.checks = append(i.checks, b.serviceCheck(c, i, len(i.checks)+1))
}

func (b *builder) nodeCheck(c checkDef, node *nodeState) *api.HealthCheck {
	check := b.check(c, node)
	check.CheckID = cmp.Or(c.ID, c.Name, fmt.Sprintf("node:%d", len(node.checks)+1))
	check.Name = cmp.Or(c.Name, check.CheckID)
	check.ServiceTags = []string{}
	return check
}

// serviceCheck makes a check of an instance that has so many of them. Without an ID
// it gets the one that an agent would give it.
func (b *builder) serviceCheck(c checkDef, i *instance, many int) *api.HealthCheck {
	check := b.check(c, i.node)
	check.ServiceID, check.ServiceName, check.ServiceTags = i.ID, i.Name, i.tags
	check.CheckID = c.ID
	if check.CheckID == "" {
		check.CheckID = "service:" + i.ID
		if many > 1 {
			check.CheckID = fmt.Sprintf("service:%s:%d", i.ID, len(i.checks)+1)
		}
	}
	check.Name = cmp.Or(c.Name, fmt.Sprintf("Service '%s' check", i.Name))
	return check
}

// check makes what all checks have. Nobody runs it, so without a status it passes.
func (b *builder) check(c checkDef, node *nodeState) *api.HealthCheck {
	status := cmp.Or(c.Status, watch.StatusPassing)
	if known := []string{watch.StatusPassing, watch.StatusWarning, watch.StatusCritical}; !slices.Contains(known, status) {
		b.fail(c.Pos, "unknown status %q of a check: known are %s", status, strings.Join(known, ", "))
	}
	return &api.HealthCheck{Node: node.Node.Node, Status: status, Notes: c.Notes, Output: c.Output}
}

func (b *builder) finish() {
	for _, n := range b.nodes {
		sortChecks(n.checks)
	}
	for _, i := range b.ids {
		sortChecks(i.checks)
		i.Checks = append(append(api.HealthChecks{}, i.node.checks...), i.checks...) // not nil
		i.Status = i.Checks.AggregatedStatus()
	}
	for _, lists := range []map[string][]*watch.ServiceInstance{b.state.instances, b.state.mesh} {
		for _, list := range lists {
			watch.SortInstances(list)
		}
	}
	watch.SortNodes(b.state.nodes)
}

func sortChecks(checks api.HealthChecks) {
	slices.SortStableFunc(checks, func(a, b *api.HealthCheck) int { return strings.Compare(a.CheckID, b.CheckID) })
}

// pairs makes the keys, sorted. One whose value is as before keeps its indexes.
func pairs(kv keyDefs, old *state, version uint64) []*watch.KeyPair {
	list := make([]*watch.KeyPair, 0, len(kv))
	for _, path := range slices.Sorted(maps.Keys(kv)) {
		pair := &watch.KeyPair{Path: path, Value: kv[path].value, CreateIndex: version, ModifyIndex: version}
		if was := old.find(path); was != nil {
			pair.CreateIndex = was.CreateIndex
			if was.Value == pair.Value {
				pair.ModifyIndex = was.ModifyIndex
			}
		}
		list = append(list, pair)
	}
	return list
}
