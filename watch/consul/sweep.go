package consul

import (
	"context"
	"net/url"
	"time"

	"github.com/ctmpl/ctmpl/watch"
)

const (
	// shortestLap lies at least between the starts of two laps, and no more than so many are asked in
	// a second: changes that are sought together cost less.
	shortestLap   = 40 * time.Millisecond
	mostPerSecond = 2800
	// mostFew is how many nodes are asked over one connection, though somebody waits.
	mostFew = 64
)

// sweep finds out what has changed each time that something has: by the index of each node, or
// of each service when these are fewer. It goes round and round until each change has been found.
func (sc *scope) sweep(ctx context.Context, prober *prober, moved <-chan struct{}, tell func(watch.Notice), started func()) error {
	patrol := time.NewTicker(sc.src.patrol / patrolParts)
	defer patrol.Stop()
	for {
		var next time.Duration
		err := patiently(ctx, func() (err error) {
			next, err = sc.goRound(ctx, prober, tell)
			return err
		})
		if err != nil {
			return err
		}
		started()
		select { // of what is ready, any: no changes without end keep the patrol from its turn
		case <-ctx.Done():
			return ctx.Err()
		case <-moved:
		case <-time.After(next):
		case <-patrol.C:
			if err := patiently(ctx, func() error { return sc.patrol(ctx, prober, tell) }); err != nil {
				return err
			}
		}
	}
}

// goRound makes the next lap, if there is anything to be found. next is the time until another one may be due.
func (sc *scope) goRound(ctx context.Context, prober *prober, tell func(watch.Notice)) (next time.Duration, err error) {
	l, next, err := sc.nextLap(time.Now())
	if l == nil {
		return next, err
	}
	sc.rest(l)
	take := func(most int) []string { return sc.take(l, most) }
	if l.byNode {
		err = sc.askNodes(ctx, prober, l, take, tell)
	} else {
		sc.changedLists(tell)
		err = sc.askServices(ctx, prober, l.calm(), take, tell)
	}
	if sc.ended(l, err != nil); err != nil {
		return 0, err
	}
	return 0, nil
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

// askNodes asks nodes for their indexes, and lists those where it is another one. The first
// lap only takes the measure.
func (sc *scope) askNodes(ctx context.Context, prober *prober, l *lap, take func(int) []string, tell func(watch.Notice)) error {
	query := sc.query(url.Values{"filter": {noService}})
	return prober.probe(ctx, probes{
		kind: ofNodes,
		few:  l.calm() || len(l.turns) <= mostFew,
		take: take,
		path: func(name string) string { return servicesOf(name) + query },
		tell: func(name string, index uint64) bool { return sc.elsewhere(l, name, index) },
		look: func(c *probing, name string, index uint64) error {
			err := sc.list(ctx, prober, c, name, false, tell)
			if err == nil {
				sc.probed(name, index)
			}
			return err
		},
	})
}

// servicesOf is where the services of a node are listed.
func servicesOf(node string) string { return "catalog/node-services/" + url.PathEscape(node) }

// noService is a filter that no service passes, and that is read quickly: of instances of a node, and behind
// "Service" of a list of services, where their fields have that before their name.
const noService = "Port==-1"

// elsewhere tells whether the index of a node is not the one that it was. In the first lap there is
// none to compare with, and it is noted.
func (sc *scope) elsewhere(l *lap, name string, index uint64) bool {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	n := sc.nodes[name]
	if n == nil || n.index == index {
		return false
	}
	if l.moved[name] = index; !sc.baseline {
		n.index = index
	}
	return sc.baseline
}

// probed notes the index of a node whose changes have been told.
func (sc *scope) probed(name string, index uint64) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	if n := sc.nodes[name]; n != nil {
		n.index = index
	}
	sc.find(index)
}

// askServices asks services for their indexes, and tells those whose answers are older. calm says that
// nobody waits for that.
func (sc *scope) askServices(ctx context.Context, prober *prober, calm bool, take func(int) []string, tell func(watch.Notice)) error {
	query := sc.query(url.Values{"tag": {"ctmpl-none"}})
	return prober.probe(ctx, probes{
		kind: ofServices,
		few:  calm,
		take: take,
		path: func(name string) string { return "catalog/service/" + url.PathEscape(name) + query },
		tell: func(name string, index uint64) bool {
			sc.mu.Lock()
			sc.find(index)
			found := sc.collect()
			found.since(name, index)
			sc.mu.Unlock()
			if len(found.set) > 0 {
				tell(found.notice())
			}
			return false
		},
	})
}
