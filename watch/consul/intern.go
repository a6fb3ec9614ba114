package consul

import (
	"maps"
	"slices"
	"sync"

	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/watch"
)

// interner lets instances have in common what is the same for all on a node, or for all
// of a service: thousands of services on some hundred nodes would take twice the memory
// else. It changes where values are, and not what they are.
type interner struct {
	mu    sync.Mutex
	nodes recent[nodeKey, *nodeParts]
	texts recent[string, string]
}

type nodeKey struct{ datacenter, partition, name string }

// nodeParts are what the instances on a node have in common.
type nodeParts struct {
	name, id, address string
	addresses, meta   map[string]string
	checks            map[string]*api.HealthCheck // of the node, by ID
}

// serviceParts are what the instances of a service mostly have in common.
type serviceParts struct {
	name string
	tags []string
	meta map[string]string
}

// value interns the parts of an answer, which nobody else may have yet.
func (n *interner) value(v any) {
	list, ok := v.([]*watch.ServiceInstance)
	if !ok {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	service := serviceParts{tags: []string{}} // which are never nil
	for _, i := range list {
		node := n.nodes.get(nodeKey{i.NodeDatacenter, i.Partition, i.Node}, func() *nodeParts {
			return &nodeParts{checks: map[string]*api.HealthCheck{}}
		})
		node.share(i)
		service.share(i)
		i.NodeDatacenter, i.Namespace, i.Partition = n.text(i.NodeDatacenter), n.text(i.Namespace), n.text(i.Partition)
		for k, c := range i.Checks {
			i.Checks[k] = n.check(c, i, node)
		}
	}
}

func (p *nodeParts) share(i *watch.ServiceInstance) {
	share(&i.Node, &p.name, equal)
	share(&i.NodeID, &p.id, equal)
	share(&i.NodeAddress, &p.address, equal)
	share(&i.NodeTaggedAddresses, &p.addresses, maps.Equal)
	share(&i.NodeMeta, &p.meta, maps.Equal)
	i.Address = among(i.Address, i.NodeAddress)
	for name, a := range i.ServiceTaggedAddresses {
		a.Address = among(a.Address, i.NodeAddress)
		i.ServiceTaggedAddresses[name] = a
	}
}

func (p *serviceParts) share(i *watch.ServiceInstance) {
	share(&i.Name, &p.name, equal)
	share(&i.Tags, &p.tags, slices.Equal)
	share(&i.ServiceMeta, &p.meta, maps.Equal)
}

// check gives the check to keep: of a node that of the other instances on it.
func (n *interner) check(c *api.HealthCheck, i *watch.ServiceInstance, node *nodeParts) *api.HealthCheck {
	known := node.checks[c.CheckID]
	if c.ServiceID == "" && known != nil && watch.EqualChecks(known, c) {
		return known
	}
	c.Node, c.ServiceID, c.ServiceName = among(c.Node, i.Node), among(c.ServiceID, i.ID), among(c.ServiceName, i.Name)
	c.Name, c.Type, c.Status, c.Notes = n.text(c.Name), n.text(c.Type), n.text(c.Status), n.text(c.Notes)
	if len(c.ServiceTags) > 0 && slices.Equal(c.ServiceTags, i.Tags) {
		c.ServiceTags = i.Tags
	}
	if c.ServiceID == "" {
		node.checks[c.CheckID] = c
	}
	return c
}

// text gives one copy of equal texts.
func (n *interner) text(s string) string {
	if s == "" {
		return s
	}
	return n.texts.get(s, func() string { return s })
}

func equal(a, b string) bool { return a == b }

// among gives the other text when it is equal.
func among(s, other string) string {
	if s == other {
		return other
	}
	return s
}

// share gives v what is known, if that is equal; else it is known from now on.
func share[T any](v, known *T, equal func(a, b T) bool) {
	if equal(*v, *known) {
		*v = *known
	} else {
		*known = *v
	}
}

// recent keeps the values that were used last: at least keepRecent of them, and at most
// twice as many.
type recent[K comparable, V any] struct{ now, before map[K]V }

const keepRecent = 4096

// get gives the value of a key, which is made when it is not kept.
func (r *recent[K, V]) get(key K, make func() V) V {
	if v, ok := r.now[key]; ok {
		return v
	}
	v, ok := r.before[key]
	if !ok {
		v = make()
	}
	if r.now == nil || len(r.now) == keepRecent {
		r.now, r.before = map[K]V{}, r.now
	}
	r.now[key] = v
	return v
}
