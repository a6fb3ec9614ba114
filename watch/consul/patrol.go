package consul

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"time"

	"github.com/ctmpl/ctmpl/watch"
)

// patrolGap lies between two looks at the index of each service, which are taken in so many
// parts.
const patrolGap, patrolParts = 20 * time.Second, 20

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
