package consul

import (
	"context"
	"errors"
	"maps"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"
	"golang.org/x/time/rate"

	"github.com/ctmpl/ctmpl/watch"
)

const (
	// pollGap is how often it is looked whether something has changed, while it does.
	pollGap = 25 * time.Millisecond
	// calm is for how long nothing changes until that is waited for instead.
	calm = 10 * time.Second
	// shortestGap lies at least between two sweeps.
	shortestGap = 40 * time.Millisecond
	// probesPerSecond bounds how many nodes or services are looked at, with some sweeps at
	// once after a time without.
	probesPerSecond, probesAtOnce = 1800, 3000
	// patrolGap lies between two looks at the index of each service, which are taken in
	// so many parts.
	patrolGap, patrolParts = 20 * time.Second, 20
)

// watch looks after a scope until ctx ends or something fails.
func (sc *scope) watch(ctx context.Context, prober *prober, tell func(watch.Notice), started func()) error {
	sc.forget()
	prefixes, err := sc.choosePrefixes(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var group, begun sync.WaitGroup
	defer func() {
		cancel(nil)
		group.Wait()
	}()
	run := func(part func(started func()) error) {
		begun.Add(1)
		group.Go(func() {
			once := sync.OnceFunc(begun.Done)
			defer once()
			if err := part(once); err != nil {
				cancel(err)
			}
		})
	}
	for _, prefix := range prefixes {
		run(func(started func()) error { return sc.followPrefix(ctx, prefix, tell, started) })
	}
	if sc.catalog {
		sc.watchCatalog(ctx, prober, tell, run)
	}
	if begun.Wait(); ctx.Err() == nil {
		started()
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

// watchCatalog runs what looks after the catalog.
func (sc *scope) watchCatalog(ctx context.Context, prober *prober, tell func(watch.Notice), run func(func(started func()) error)) {
	moved := make(chan struct{}, 1)
	move := func() {
		select {
		case moved <- struct{}{}:
		default:
		}
	}
	nodes := make(chan struct{}) // closed when they are known
	run(func(started func()) error {
		return sc.followNodes(ctx, tell, move, sync.OnceFunc(func() { close(nodes); started() }))
	})
	for which := range statuses {
		run(func(started func()) error { return sc.followChecks(ctx, which, tell, started) })
	}
	run(func(started func()) error { return sc.followTable(ctx, prober, move, started) })
	run(func(started func()) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-nodes:
			return sc.sweep(ctx, prober, moved, tell, started)
		}
	})
}

func (sc *scope) tableIndex() uint64 {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	return sc.table
}

// followTable notices that something has changed in the services or nodes: by waiting for that,
// and while there are changes by a small question now and then, since the answer to the other
// is long. It has moved called for each change.
func (sc *scope) followTable(ctx context.Context, prober *prober, moved, started func()) error {
	pollable, err := sc.pollable(ctx, prober)
	if err != nil {
		return err
	}
	index, last := uint64(0), time.Now()
	for {
		var next uint64
		start, polls := time.Now(), pollable && time.Since(last) < calm
		err := patiently(ctx, func() (err error) {
			if polls {
				next, err = sc.poll(ctx, prober)
			} else {
				next, err = sc.waitForChange(ctx, index)
			}
			if err == nil && next < index && pollable && !polls {
				next, err = sc.poll(ctx, prober) // services alone may be older than services and nodes
			}
			return err
		})
		if err != nil {
			return err
		}
		if next != index {
			last = time.Now()
			if err := sc.at(next); err != nil {
				return err
			}
			moved()
		}
		started()
		pause := pollGap
		if next == index && !polls && time.Since(start) < sentinelHold/4 { // something in between does not wait
			pause = sentinelPause
		}
		index = next
		sleep(ctx, pause)
	}
}

// pollable tells whether the index of an answer with nothing in it moves with all services
// and nodes. That is not documented, so it is compared with the index of the nodes.
func (sc *scope) pollable(ctx context.Context, prober *prober) (bool, error) {
	var nodes, polled uint64
	err := patiently(ctx, func() (err error) {
		nodes, err = sc.once(ctx, 0, func(opts *api.QueryOptions) (*api.QueryMeta, error) {
			opts.Filter = `Node==""`
			_, meta, err := sc.src.client.Catalog().Nodes(opts)
			return meta, err
		})
		if err == nil {
			polled, err = sc.poll(ctx, prober)
		}
		return err
	})
	return polled >= nodes, err
}

// errAnew ends a Watch when the state of Consul began anew: nothing that is known counts.
var errAnew = errors.New("Consul's state began anew")

// at notes the index of the services and nodes, which falls only when the state began anew.
func (sc *scope) at(index uint64) error {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	if index < sc.table {
		return errAnew
	}
	sc.table, sc.restless = index, true
	return nil
}

// poll gives the index of services and nodes.
func (sc *scope) poll(ctx context.Context, prober *prober) (index uint64, err error) {
	path := "catalog/services" + sc.query(url.Values{"node-meta": {"ctmpl-none:none"}})
	err = prober.probe(ctx, probes{n: 1, path: func(int) string { return path }, tell: func(_ int, at uint64) { index = at }})
	return index, err
}

func (sc *scope) query(more url.Values) string {
	return sc.src.target.query(sc.key, sc.src.maxStale > 0, more)
}

// waitForChange waits for a change of services.
func (sc *scope) waitForChange(ctx context.Context, after uint64) (uint64, error) {
	return sc.once(ctx, after, func(opts *api.QueryOptions) (*api.QueryMeta, error) {
		_, meta, err := sc.src.client.Catalog().Services(opts)
		return meta, err
	})
}

// sweep finds out what has changed each time that something has: by the index of each node.
// The first sweep is the measure for the others.
func (sc *scope) sweep(ctx context.Context, prober *prober, moved <-chan struct{}, tell func(watch.Notice), started func()) error {
	patrol := time.NewTicker(sc.src.patrol / patrolParts)
	defer patrol.Stop()
	bucket := rate.NewLimiter(probesPerSecond, probesAtOnce)
	for {
		to, asked := sc.tableIndex(), 0
		err := patiently(ctx, func() (err error) {
			asked, err = sc.look(ctx, prober, tell)
			return err
		})
		if err != nil {
			return err
		}
		sc.sweptTo(to, time.Now())
		started()
		sleep(ctx, max(shortestGap, bucket.ReserveN(time.Now(), min(asked, probesAtOnce)).Delay()))
		for again := false; !again; {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-moved:
				again = true
			case <-sc.whole():
				again = true
			case <-patrol.C:
				if err := patiently(ctx, func() error { return sc.patrol(ctx, prober, tell) }); err != nil {
					return err
				}
			}
		}
	}
}

// look finds out what has changed, by nodes or by services: whichever are fewer. It gives how
// many it has asked about.
func (sc *scope) look(ctx context.Context, prober *prober, tell func(watch.Notice)) (asked int, err error) {
	sc.mu.Lock()
	byNode := len(sc.details) > 0 || !sc.coarse && len(sc.nodes) < len(sc.services)
	names := slices.Collect(maps.Keys(sc.services))
	sc.mu.Unlock()
	if byNode {
		return sc.sweepNodes(ctx, prober, tell)
	}
	sc.changedLists(tell)
	return len(names), sc.probeServices(ctx, prober, names, tell)
}

// changedLists tells that the lists of services may have changed, now and then: it cannot
// be seen.
func (sc *scope) changedLists(tell func(watch.Notice)) {
	sc.mu.Lock()
	found := sc.collect()
	if time.Since(sc.listedAt) > time.Second {
		sc.listedAt = time.Now()
		found.queries(sc.lists[listServices])
	}
	sc.mu.Unlock()
	tell(found.notice())
}

// sweepNodes looks at the index of each node, and lists those where it is another one. The first
// sweep only takes the measure. Another ends as soon as each change up to the index of the
// table has been found.
func (sc *scope) sweepNodes(ctx context.Context, prober *prober, tell func(watch.Notice)) (asked int, err error) {
	to := sc.tableIndex()
	names, indexes, baseline := sc.nodeIndexes()
	query := sc.query(url.Values{"filter": {noService}})
	var mu sync.Mutex
	var failure error
	moved := 0
	err = prober.probe(ctx, probes{
		n:    len(names),
		path: func(i int) string { return "catalog/node-services/" + url.PathEscape(names[i]) + query },
		over: sc.explained,
		tell: func(i int, index uint64) {
			var err error
			if index != indexes[i] && baseline {
				err = sc.list(ctx, names[i], false, tell)
			}
			if index != indexes[i] && err == nil {
				sc.probed(names[i], index)
			}
			mu.Lock()
			defer mu.Unlock()
			failure = errors.Join(failure, err)
			if asked++; index != indexes[i] {
				moved++
			}
		},
	})
	if err = errors.Join(err, failure); err == nil {
		sc.sweptNodes(to, asked, moved)
	}
	return asked, err
}

// noService is a filter that nearly no service passes, and that is read quickly.
const noService = "Port==1"

const (
	// mostGap is the number of indexes of which it is worth looking whether each is that of a
	// change that was found.
	mostGap = 64
	// wholeGap is the time after which all nodes are looked at in any case: one index may be
	// that of changes on several nodes.
	wholeGap = 2 * time.Second
)

// explained tells whether each change up to the index of the table has been found.
func (sc *scope) explained() bool {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	if !sc.baseline || sc.table-sc.doneTo > mostGap || time.Since(sc.wholeAt) > wholeGap {
		return false
	}
	for index := sc.doneTo + 1; index <= sc.table; index++ {
		if !sc.found[index] {
			return false
		}
	}
	return true
}

// nodeIndexes gives the nodes with their indexes, in any order.
func (sc *scope) nodeIndexes() (names []string, indexes []uint64, baseline bool) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	for name, n := range sc.nodes {
		names, indexes = append(names, name), append(indexes, n.index)
	}
	return names, indexes, sc.baseline
}

func (sc *scope) probed(name string, index uint64) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	if n := sc.nodes[name]; n != nil {
		n.index = index
	}
	sc.found[index] = true
}

// several is a number of nodes of which some do not change at a time.
const several = 8

// sweptNodes notes what became of a sweep that began with the table at an index. That each node
// has an index of its own is not documented: where all move at once it is not so.
func (sc *scope) sweptNodes(to uint64, asked, moved int) {
	explained := sc.explained()
	sc.mu.Lock()
	defer sc.mu.Unlock()
	whole := asked >= len(sc.nodes)
	switch sc.partial = !whole; {
	case explained:
		sc.doneTo = sc.table
	case whole:
		sc.doneTo = to
	}
	if whole {
		sc.wholeAt = time.Now()
		sc.coarse = sc.coarse || sc.baseline && asked >= several && moved == asked
		sc.baseline = true
	}
	maps.DeleteFunc(sc.found, func(index uint64, _ bool) bool { return index <= sc.doneTo })
}

// whole tells when all nodes are to be looked at, after a sweep that was not.
func (sc *scope) whole() <-chan time.Time {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	if !sc.partial {
		return nil
	}
	return time.After(time.Until(sc.wholeAt.Add(wholeGap)))
}

// patrol looks at the index of some of the services, round after round while there are changes: it shows
// what others cannot see, such as the output of a check that still passes.
func (sc *scope) patrol(ctx context.Context, prober *prober, tell func(watch.Notice)) error {
	names, notice := sc.nextPatrol()
	tell(notice)
	if err := sc.probeServices(ctx, prober, names, tell); err != nil {
		return err
	}
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.beat = sc.beat[min(len(names), len(sc.beat)):]
	return nil
}

// nextPatrol gives the services to look at now, none when all is calm, and what may have changed
// without a sign.
func (sc *scope) nextPatrol() (names []string, notice watch.Notice) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	found := sc.collect()
	if len(sc.beat) == 0 && sc.restless {
		sc.beat, sc.restless = slices.Collect(maps.Keys(sc.services)), false
		if sc.guessed {
			found.queries(sc.lists[listServices])
			sc.guessed = false
		}
	}
	return sc.beat[:min(len(sc.beat), len(sc.services)/patrolParts+1)], found.notice()
}

// probeServices looks at the index of services.
func (sc *scope) probeServices(ctx context.Context, prober *prober, names []string, tell func(watch.Notice)) error {
	query := sc.query(url.Values{"tag": {"ctmpl-none"}})
	return prober.probe(ctx, probes{
		n:    len(names),
		path: func(i int) string { return "catalog/service/" + url.PathEscape(names[i]) + query },
		tell: func(i int, index uint64) {
			sc.mu.Lock()
			found := sc.collect()
			found.since(names[i], index)
			sc.mu.Unlock()
			if len(found.set) > 0 {
				tell(found.notice())
			}
		},
	})
}
