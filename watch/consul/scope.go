package consul

import (
	"hash/maphash"
	"sync"
	"time"

	"github.com/ctmpl/ctmpl/watch"
)

// scope is what is known of one part of the catalog: enough to tell from the indexes of
// nodes and services, and from lists of checks, which answers may have changed.
type scope struct {
	src *Source
	key scopeKey

	mu       sync.Mutex
	mayGroup bool // nodes may be watched in groups
	wanted
	known
}

// wanted is what is looked after.
type wanted struct {
	services map[string]lookedAfter // by name
	lists    [2]watch.Set           // the queries for services, and for nodes
	details  map[string]watch.Set   // the queries for one node, by its name
	keys     map[string]watch.Set   // the queries for a key, by its name
	prefixes []string               // whose keys are looked after
	catalog  bool                   // Watch looks after the catalog
	counted  int                    // keys that there were when it began
}

// known is what has been found out since Watch began.
type known struct {
	nodes    map[string]*nodeState // by name
	nodesAt  uint64                // index of the list of nodes
	parted   bool                  // they could be watched in groups when they were first listed
	checks   [2]map[checkKey]checkState
	checksAt [2]uint64           // index of each list
	listings map[string]*listing // by prefix
	moves
	looks
	patrols
	groups groups
}

// patrols are the looks at each service.
type patrols struct {
	restless bool     // there were changes since the last one began
	beat     []string // the services that it has not looked at yet
	from     uint64   // index of the table when it began
	settled  uint64   // that of the last one that has ended
}

const (
	listServices = iota
	listNodes
)

// lookedAfter are the queries for one service, with the index of the last answer of each.
type lookedAfter map[watch.Query]uint64

// nodeState is what is known of a node.
type nodeState struct {
	index     uint64 // of its services, as probed
	modified  uint64 // index of the node itself, 0 when that is not known
	meta      map[string]string
	group     string // "" for one in no group
	complete  bool   // instances are all that it has, not only those that answers had
	instances map[string]seen
}

// seen is an instance of a service, by its ID, as it was seen last.
type seen struct {
	service string
	tags    uint64 // hash of them
}

func newScope(s *Source, key scopeKey) *scope {
	sc := &scope{src: s, key: key}
	sc.forget()
	sc.cover(nil, false)
	return sc
}

// forget drops what is known, but not what is looked after.
func (sc *scope) forget() {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.known = known{
		nodes: map[string]*nodeState{}, listings: map[string]*listing{},
		moves: moves{found: map[uint64]bool{}}, looks: looks{at: map[string]time.Time{}}, patrols: patrols{restless: true},
	}
}

// cover sets the queries to look after, and gives the number of connections for that. mayGroup says
// that there are enough to watch nodes in groups.
func (sc *scope) cover(set watch.Set, mayGroup bool) (connections int) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.mayGroup = mayGroup
	before := sc.services
	sc.services, sc.details, sc.lists, sc.keys = map[string]lookedAfter{}, map[string]watch.Set{}, [2]watch.Set{{}, {}}, map[string]watch.Set{}
	for q := range set {
		switch q.Kind {
		case watch.KindService:
			sc.add(q, before)
		case watch.KindServices:
			sc.lists[listServices].Add(q)
		case watch.KindNodes:
			sc.lists[listNodes].Add(q)
		case watch.KindNode:
			insert(sc.details, q)
		default:
			insert(sc.keys, q)
		}
	}
	if sc.wantsCatalog() {
		connections = perScope
		if sc.mayGroup && !sc.groups.formed {
			connections += mostGroups
		}
		connections += sc.groups.count
	}
	if len(sc.keys) >= leastKeys {
		connections += max(1, len(sc.prefixes)) // they are chosen when Watch begins
	}
	return connections
}

// insert adds a query to those of its name.
func insert(by map[string]watch.Set, q watch.Query) {
	if by[q.Name] == nil {
		by[q.Name] = watch.Set{}
	}
	by[q.Name].Add(q)
}

func (sc *scope) add(q watch.Query, before map[string]lookedAfter) {
	if sc.services[q.Name] == nil {
		sc.services[q.Name] = lookedAfter{}
	}
	sc.services[q.Name][q] = before[q.Name][q]
}

// covers tells whether changes of what a query in this scope asks for are noticed.
func (sc *scope) covers(q watch.Query) bool {
	if q.Kind != watch.KindKey && q.Kind != watch.KindLookup {
		return true
	}
	sc.mu.Lock()
	defer sc.mu.Unlock()
	return sc.prefixOf(q.Name) != ""
}

func (sc *scope) wantsCatalog() bool {
	return len(sc.services)+len(sc.details)+len(sc.lists[listServices])+len(sc.lists[listNodes]) > 0
}

// begin notes what there is to look after, and tells whether there is anything.
func (sc *scope) begin() bool {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.catalog, sc.counted, sc.prefixes = sc.wantsCatalog(), len(sc.keys), nil
	return sc.catalog || sc.counted > 0
}

// outgrown tells whether there is more to look after than Watch has begun with.
func (sc *scope) outgrown() bool {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	return sc.wantsCatalog() && !sc.catalog || len(sc.keys) > 2*sc.counted+leastKeys
}

// learn takes in the answer to a query, and tells whether it is older than what is known.
func (sc *scope) learn(q watch.Query, value any, index uint64) (old bool) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	if q.Kind == watch.KindKey || q.Kind == watch.KindLookup {
		return sc.learnKey(q.Name, value, index)
	}
	after := sc.services[q.Name]
	if q.Kind != watch.KindService || after == nil {
		return false
	}
	if _, ok := after[q]; ok {
		after[q] = index
	}
	list, _ := value.([]*watch.ServiceInstance)
	for _, i := range list {
		old = sc.learnInstance(q.Name, i, index) || old
	}
	return old
}

// learnInstance takes in an instance of an answer. One that a node does not have, which was listed
// after the answer was made, has left.
func (sc *scope) learnInstance(service string, i *watch.ServiceInstance, index uint64) (old bool) {
	if !sc.baseline {
		return false // services are looked at, and no nodes
	}
	n := sc.node(i.Node)
	_, known := n.instances[i.ID]
	if !known && n.complete && index < n.index {
		return true
	}
	n.instances[i.ID] = seen{service: service, tags: hashTags(i.Tags)}
	return false
}

func (sc *scope) node(name string) *nodeState {
	n := sc.nodes[name]
	if n == nil {
		n = &nodeState{instances: map[string]seen{}}
		sc.nodes[name] = n
	}
	return n
}

// listed compares the services of a node with what is known. everything says that all of
// them may have changed.
func (sc *scope) listed(name string, list nodeList, everything bool) watch.Notice {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	found, n := sc.collect(), sc.node(name)
	found.queries(sc.details[name])
	now := make(map[string]seen, len(list.Services))
	if list.Node != nil {
		everything = everything || list.Node.ModifyIndex != n.modified
		n.modified = list.Node.ModifyIndex
		sc.find(n.modified)
	}
	for _, s := range list.Services {
		is := seen{service: s.Service, tags: hashTags(watch.SortTags(s.Tags))}
		if now[s.ID] = is; n.instances[s.ID] != is {
			found.queries(sc.lists[listServices])
		}
		sc.find(s.ModifyIndex)
		if found.since(s.Service, s.ModifyIndex); everything {
			found.service(s.Service)
		}
	}
	for id, was := range n.instances {
		if is, still := now[id]; !still || is.service != was.service {
			found.service(was.service)
			found.queries(sc.lists[listServices])
		}
	}
	n.instances, n.complete = now, true
	return found.notice()
}

var tagSeed = maphash.MakeSeed()

// hashTags gives a hash of sorted tags.
func hashTags(tags []string) uint64 {
	var h maphash.Hash
	h.SetSeed(tagSeed)
	for _, tag := range tags {
		_, _ = h.WriteString(tag)
		_ = h.WriteByte(0)
	}
	return h.Sum64()
}
