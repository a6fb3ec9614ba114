package consul

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"
)

const (
	// fewestGroups and mostGroups bound how many there are: each takes a connection, and fewer
	// would not narrow the search.
	fewestGroups, mostGroups = 4, 20
	// groupTime is how long it takes at most until a change shows in its group; then it is
	// sought everywhere.
	groupTime = 150 * time.Millisecond
	// mostVain is how often in a row a group may show a change that is not there.
	mostVain = 100
)

// groups are parts of the nodes, by a key of their metadata such as the rack. A blocking query for
// the services on nodes with some metadata wakes for changes on these nodes alone (not documented;
// Consul 1.20, agent/consul/state/catalog.go), so that few nodes are left to be asked.
type groups struct {
	formed  bool                 // it has been decided
	count   int                  // of groups
	key     string               // of the metadata, "" when nodes are not grouped
	of      map[string]string    // by node: its value
	woken   map[string]time.Time // by value: when it showed a change that was not sought yet
	vain    int                  // how often in a row there was none
	disband func()               // ends their queries
}

// form finds the key of the metadata that parts the nodes best, and gives its values.
func (sc *scope) form() (values []string) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	parts := map[string]map[string]int{} // nodes by key and value
	for _, n := range sc.nodes {
		for key, value := range n.meta {
			if parts[key] == nil {
				parts[key] = map[string]int{}
			}
			parts[key][value]++
		}
	}
	best := len(sc.nodes)/fewestGroups + 1 // nodes in the largest group
	sc.groups = groups{formed: true, of: map[string]string{}, woken: map[string]time.Time{}}
	if !sc.mayGroup {
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(parts)) {
		by := parts[key]
		if largest := slices.Max(slices.Collect(maps.Values(by))); len(by) >= fewestGroups && len(by) <= mostGroups && largest < best {
			sc.groups.key, best, values = key, largest, slices.Sorted(maps.Keys(by))
		}
	}
	sc.groups.count = len(values)
	for name, n := range sc.nodes {
		if value, ok := n.meta[sc.groups.key]; ok {
			sc.groups.of[name] = value
		}
	}
	return values
}

// watchGroups notices which groups of nodes something changes in, when nodes have metadata for that.
func (sc *scope) watchGroups(ctx context.Context, moved, started func()) error {
	values := sc.form()
	if len(values) == 0 {
		started()
		<-ctx.Done()
		return ctx.Err()
	}
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	sc.mu.Lock()
	sc.groups.disband = cancel
	sc.mu.Unlock()
	var group, begun sync.WaitGroup
	for _, value := range values {
		begun.Add(1)
		group.Go(func() {
			once := sync.OnceFunc(begun.Done)
			defer once()
			_ = sc.followGroup(watching, value, func() { once(); moved() })
			cancel() // one that is not followed is worse than none
		})
	}
	begun.Wait()
	started()
	group.Wait()
	sc.mu.Lock()
	sc.groups = groups{formed: true}
	sc.mu.Unlock()
	moved()
	<-ctx.Done()
	return ctx.Err()
}

// followGroup notes each change in a group.
func (sc *scope) followGroup(ctx context.Context, value string, woken func()) error {
	ask := func(opts *api.QueryOptions) (*api.QueryMeta, error) {
		sc.mu.Lock()
		opts.NodeMeta, opts.Filter = map[string]string{sc.groups.key: value}, "ServicePort==1"
		sc.mu.Unlock()
		_, meta, err := sc.src.client.Catalog().Services(opts)
		return meta, err
	}
	return sc.follow(ctx, ask, func(uint64) error {
		sc.mu.Lock()
		if sc.groups.woken != nil {
			sc.groups.woken[value] = time.Now()
		}
		sc.mu.Unlock()
		woken()
		return nil
	})
}

// wakened gives the nodes of the groups that showed a change.
func (g *groups) wakened() (names []string) {
	for name, value := range g.of {
		if _, ok := g.woken[value]; ok {
			names = append(names, name)
		}
	}
	clear(g.woken)
	return names
}

// sought notes whether there was a change in the groups that showed one.
func (g *groups) sought(found bool) {
	if g.vain++; found {
		g.vain = 0
	}
	if g.vain == mostVain && g.disband != nil {
		g.disband()
	}
}
