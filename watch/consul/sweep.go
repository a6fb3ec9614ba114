package consul

import (
	"context"
	"errors"
	"maps"
	"net/url"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/ctmpl/ctmpl/watch"
)

const (
	// shortestGap lies at least between two sweeps.
	shortestGap = 40 * time.Millisecond
	// probesPerSecond bounds how many nodes or services are looked at, with some sweeps at
	// once after a time without.
	probesPerSecond, probesAtOnce = 1800, 3000
)

// sweep finds out what has changed each time that something has: by the index of each node.
// The first sweep is the measure for the others.
func (sc *scope) sweep(ctx context.Context, prober *prober, moved <-chan struct{}, tell func(watch.Notice), started func()) error {
	patrol := time.NewTicker(sc.src.patrol / patrolParts)
	defer patrol.Stop()
	bucket := rate.NewLimiter(probesPerSecond, probesAtOnce)
	for {
		asked := 0
		err := patiently(ctx, func() (err error) {
			asked, err = sc.look(ctx, prober, tell)
			return err
		})
		if err != nil {
			return err
		}
		started()
		sleep(ctx, max(shortestGap, bucket.ReserveN(time.Now(), min(asked, probesAtOnce)).Delay()))
		for again := false; !again; {
			select { // first, or changes that never end would keep it from its turn
			case <-patrol.C:
				if err := patiently(ctx, func() error { return sc.patrol(ctx, prober, tell) }); err != nil {
					return err
				}
			default:
			}
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
	unprepared := byNode && !sc.baseline && sc.looked
	if sc.looked = true; !byNode {
		sc.partial = false
		clear(sc.found)
	}
	sc.mu.Unlock()
	switch {
	case unprepared:
		return 0, errAnew // there is no measure for the nodes yet
	case byNode:
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
	moved := map[string]uint64{}
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
				moved[names[i]] = index
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
	return sc.allFound()
}

// allFound is explained for who holds the lock.
func (sc *scope) allFound() bool {
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
	sc.find(index)
}

// several is a number of nodes that have indexes of their own: not all the same, or nearly so.
const several = 8

// sweptNodes notes what became of a sweep that began with the table at an index.
func (sc *scope) sweptNodes(to uint64, asked int, moved map[string]uint64) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	whole := asked >= len(sc.nodes)
	// What has just moved may not have been known to every server yet.
	sc.partial = !whole || time.Since(sc.movedAt) < wholeGap
	switch {
	case sc.allFound():
		sc.doneTo = sc.table
	case whole:
		sc.doneTo = to
	}
	if whole {
		sc.coarse = sc.coarse || sc.baseline && asked >= several && len(moved) == asked && oneIndex(moved)
		sc.wholeAt, sc.baseline = time.Now(), true
	}
	maps.DeleteFunc(sc.found, func(index uint64, _ bool) bool { return index <= sc.doneTo })
}

// oneIndex tells whether nodes seem to have one index together. That each has its own is not
// documented.
func oneIndex(moved map[string]uint64) bool {
	distinct := map[uint64]bool{}
	for _, index := range moved {
		distinct[index] = true
	}
	return len(distinct) <= 2 // it may have moved meanwhile
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
