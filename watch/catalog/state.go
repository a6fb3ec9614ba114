package catalog

import (
	"maps"
	"slices"
	"strings"

	"github.com/ctmpl/ctmpl/watch"
)

// state is one version of the catalog; it is never changed.
type state struct {
	version    uint64
	datacenter string
	nodes      []*watch.Node                       // sorted; the first of the file is own
	own        string                              // the node that stands for the agent
	instances  map[string][]*watch.ServiceInstance // by service name, sorted
	mesh       map[string][]*watch.ServiceInstance // the ways to a service, by its folded name, sorted
	services   map[*watch.ServiceInstance]*watch.NodeService
	keys       []*watch.KeyPair // by path; Key is set for each answer
}

// answers gives the answer to each kind of query; nil where there is nothing.
var answers = map[string]func(*state, watch.Query) any{
	watch.KindDatacenters: func(s *state, _ watch.Query) any { return []string{s.datacenter} },
	watch.KindServices:    (*state).summaries,
	watch.KindService:     (*state).service,
	watch.KindNodes:       (*state).allNodes,
	watch.KindNode:        (*state).node,
	watch.KindKey:         (*state).key,
	watch.KindLookup:      (*state).lookup,
	watch.KindPrefix:      (*state).prefix,
	watch.KindConnect:     (*state).connect,
	// A catalog stands alone.
	watch.KindPeerings: func(*state, watch.Query) any { return []*watch.Peering{} },
	watch.KindExported: func(*state, watch.Query) any { return []watch.ExportedService{} },
	watch.KindImported: func(*state, watch.Query) any { return []watch.ImportedService{} },
}

func (s *state) summaries(watch.Query) any {
	list := make([]*watch.ServiceSummary, 0, len(s.instances))
	for _, name := range slices.Sorted(maps.Keys(s.instances)) {
		tags := map[string]bool{}
		for _, i := range s.instances[name] {
			for _, t := range i.Tags {
				tags[t] = true
			}
		}
		list = append(list, &watch.ServiceSummary{Name: name, Tags: watch.SortTags(slices.Collect(maps.Keys(tags)))})
	}
	return list
}

func (s *state) service(q watch.Query) any {
	var list []*watch.ServiceInstance
	for name, instances := range s.instances {
		if strings.EqualFold(name, q.Name) {
			list = append(list, instances...)
		}
	}
	return selected(list, q)
}

func (s *state) connect(q watch.Query) any { return selected(s.mesh[strings.ToLower(q.Name)], q) }

// selected gives those of the instances that the query asks for, in its order.
func selected(instances []*watch.ServiceInstance, q watch.Query) []*watch.ServiceInstance {
	list := []*watch.ServiceInstance{}
	if q.Param("peer") != "" {
		return list // there are no peers
	}
	for _, i := range instances {
		if watch.HasTag(i.Tags, q.Param("tag")) && q.Accepts(i.Status) {
			list = append(list, i)
		}
	}
	if watch.SortInstances(list); q.Param("near") != "" {
		inStoreOrder(list, func(i *watch.ServiceInstance) string { return i.Node + "\x00" + i.ID })
	}
	return list
}

func (s *state) allNodes(q watch.Query) any {
	if q.Param("near") == "" {
		return s.nodes
	}
	list := slices.Clone(s.nodes)
	inStoreOrder(list, func(n *watch.Node) string { return n.Node })
	return list
}

// inStoreOrder orders by a key without regard to case, as Consul's store does: that
// is what remains when all are equally near.
func inStoreOrder[T any](list []T, key func(T) string) {
	slices.SortStableFunc(list, func(a, b T) int { return strings.Compare(strings.ToLower(key(a)), strings.ToLower(key(b))) })
}

func (s *state) node(q watch.Query) any {
	name := q.Name
	if name == "" {
		name = s.own
	}
	at := slices.IndexFunc(s.nodes, func(n *watch.Node) bool { return strings.EqualFold(n.Node, name) })
	if at < 0 {
		return &watch.NodeDetail{}
	}
	detail := &watch.NodeDetail{Node: s.nodes[at], Services: []*watch.NodeService{}}
	for _, instances := range s.instances {
		for _, i := range instances {
			if i.Node == detail.Node.Node {
				detail.Services = append(detail.Services, s.services[i])
			}
		}
	}
	watch.SortNodeServices(detail.Services)
	return detail
}

func (s *state) find(key string) *watch.KeyPair {
	at, ok := slices.BinarySearchFunc(s.keys, key, func(p *watch.KeyPair, k string) int { return strings.Compare(p.Path, k) })
	if !ok {
		return nil
	}
	return s.keys[at]
}

// path is the key that a query names: the client drops one leading slash, beside
// the one that belongs to the grammar.
func path(q watch.Query) string { return strings.TrimPrefix(q.Name, "/") }

func (s *state) key(q watch.Query) any {
	if p := s.find(path(q)); p != nil {
		return p.Value
	}
	return nil
}

func (s *state) lookup(q watch.Query) any {
	if p := s.find(path(q)); p != nil {
		return watch.Lookup{Found: true, Value: p.Value}
	}
	return watch.Lookup{}
}

func (s *state) prefix(q watch.Query) any {
	list := []*watch.KeyPair{}
	for _, p := range s.keys {
		if strings.HasPrefix(p.Path, path(q)) {
			pair := *p
			pair.Key = watch.RelativeKey(p.Path, q.Name)
			list = append(list, &pair)
		}
	}
	return list
}
