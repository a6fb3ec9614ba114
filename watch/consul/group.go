package consul

import (
	"context"
	"errors"
	"iter"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"
)

const (
	// fewestGroups and mostGroups bound how many there are: each takes a connection, and fewer
	// would not narrow the search.
	fewestGroups, mostGroups = 4, 20
	// groupTime is how long it takes at most until a change shows in its group; then it is
	// sought everywhere.
	groupTime = 150 * time.Millisecond
	// mostVain is how many more changes groups may show in vain than in truth, each of which counts
	// as several: one in vain costs little.
	mostVain, forTruth = 100, 3
	// formAgain is the time after which groups are formed anew, as there may be other values, and
	// formLater the one after groups that could not be followed.
	formAgain, formLater = time.Hour, 5 * time.Minute
)

// groups are parts of the nodes, by a key of their metadata such as the rack. A blocking query for
// the services on nodes with some metadata wakes for changes on these nodes alone (not documented;
// Consul 1.20, agent/consul/state/catalog.go), so that few nodes are left to be asked.
type groups struct {
	formed  bool            // it has been decided
	count   int             // of groups
	key     string          // of the metadata, "" while nodes are not watched in groups
	woken   map[string]bool // values whose group showed a change that was not sought yet
	vain    int             // how many of these were none, less those that were
	disband func()          // ends their queries
}

// form forms groups, if they are of use, and gives their values.
func (sc *scope) form() (values []string) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.groups = groups{formed: true, woken: map[string]bool{}}
	if sc.mayGroup && sc.nodesAreFewer() {
		sc.groups.key, values = sc.parting()
	}
	for _, n := range sc.nodes {
		n.group = n.meta[sc.groups.key]
	}
	sc.groups.count = len(values)
	return values
}

// parting finds the key of the metadata that parts the nodes best, "" when none does, and its values.
func (sc *scope) parting() (key string, values []string) {
	best := len(sc.nodes)/fewestGroups + 1 // nodes in the largest group
	for k, by := range sc.parts() {
		largest := slices.Max(slices.Collect(maps.Values(by)))
		if len(by) < fewestGroups || len(by) > mostGroups || largest > best || largest == best && k > key {
			continue
		}
		key, best, values = k, largest, slices.Sorted(maps.Keys(by))
	}
	return key, values
}

// parts counts the nodes by each key of their metadata, and its values.
func (sc *scope) parts() map[string]map[string]int {
	parts := map[string]map[string]int{}
	for _, n := range sc.nodes {
		for key, value := range n.meta {
			if value == "" {
				continue // such a node is in no group
			}
			if parts[key] == nil {
				parts[key] = map[string]int{}
			}
			parts[key][value]++
		}
	}
	return parts
}

// watchGroups notices which groups of nodes something changes in, when nodes have metadata for that.
func (sc *scope) watchGroups(ctx context.Context, prober *prober, moved, started func()) error {
	for ctx.Err() == nil {
		var err error
		if values := sc.form(); len(values) > 0 {
			err = sc.followGroups(ctx, prober, values, moved, started)
			moved() // what they have not shown is sought everywhere
		}
		started()
		if err == errAged || ctx.Err() != nil {
			continue
		}
		if key := sc.ungroup(); err != nil {
			sc.src.log.Debug("changes are not noticed by groups of nodes for now", "key", key, "error", err)
		}
		sleep(ctx, formLater)
	}
	return ctx.Err()
}

// ungroup has nodes not watched in groups any more, and gives the key by which they were.
func (sc *scope) ungroup() (key string) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	key = sc.groups.key
	sc.groups = groups{formed: true, count: sc.groups.count} // whose connections are kept for them
	return key
}

var (
	errVain = errors.New("they show changes that are none")
	errAged = errors.New("it is time to form them anew")
)

// followGroups follows all groups until one of them cannot be, or too much was in vain: then none is.
func (sc *scope) followGroups(ctx context.Context, prober *prober, values []string, moved, started func()) error {
	timed, end := context.WithTimeoutCause(ctx, formAgain, errAged)
	defer end()
	ctx, cancel := context.WithCancelCause(timed)
	defer cancel(nil)
	sc.mu.Lock()
	key := sc.groups.key
	sc.groups.disband = func() { cancel(errVain) }
	sc.mu.Unlock()
	var group, begun sync.WaitGroup
	for _, value := range values {
		begun.Add(1)
		group.Go(func() {
			begin := sync.OnceFunc(begun.Done)
			defer begin()
			cancel(sc.followGroup(ctx, prober, key, value, begin, moved))
		})
	}
	begun.Wait()
	started()
	group.Wait()
	return context.Cause(ctx)
}

// followGroup notes each change in a group, over a connection for that.
func (sc *scope) followGroup(ctx context.Context, prober *prober, key, value string, begun, moved func()) error {
	var last uint64
	var hold time.Duration
	c := &probing{}
	defer c.close()
	ask := func(ctx context.Context, after uint64) (uint64, error) {
		var limit time.Duration
		hold, limit = sc.wait(after)
		query := url.Values{"node-meta": {key + ":" + value}, "filter": {"Service" + noService}} // an empty list will do
		if after > 0 {
			query.Set("index", strconv.FormatUint(after, 10))
			query.Set("wait", strconv.FormatInt(hold.Milliseconds(), 10)+"ms")
		}
		before := c.sent
		index, err := prober.question(ctx, c, "catalog/services"+sc.query(query), limit, nil)
		if rest := time.Until(c.sent.Add(hold + hold/16)); ctx.Err() != nil && c.sent != before && rest > 0 {
			sc.src.transport.budget.keep(rest) // it has its place at the agent until then, see linger
		}
		return index, err
	}
	return sc.follow(ctx, ask, func(index uint64) error {
		begun()
		// The index is that of all services: at the end of a wait it may be another one, too.
		over := hold > 0 && time.Since(c.sent) >= hold
		if first := last == 0; !first && index != last && !over {
			sc.wake(value, index)
			moved()
		}
		last = index
		return nil
	})
}

// wake notes that a group shows a change, and the index of all services that came with it. The
// answer of another group may have been overtaken.
func (sc *scope) wake(value string, index uint64) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.groups.woken[value], sc.restless = true, true
	if index > sc.table && sc.polled {
		_ = sc.move(index, time.Now()) // which is an error for one that falls
	}
}

// wakened are the nodes of the groups that showed a change.
func (sc *scope) wakened() iter.Seq[string] {
	return func(yield func(string) bool) {
		for name, n := range sc.nodes {
			if n.group != "" && sc.groups.woken[n.group] && !yield(name) {
				return
			}
		}
	}
}

// sought notes in how many of the groups that showed a change there was one.
func (sc *scope) sought(l *lap) {
	shown := map[string]bool{}
	for name := range l.moved {
		if n := sc.nodes[name]; n != nil {
			shown[n.group] = true
		}
	}
	g := &sc.groups
	g.vain = max(0, g.vain+len(l.woken)-len(shown)*(1+forTruth))
	if g.vain >= mostVain && g.disband != nil {
		g.disband()
	}
}
