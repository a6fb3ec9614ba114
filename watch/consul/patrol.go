package consul

import (
	"context"
	"maps"
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
	if err := sc.askServices(ctx, prober, true, inTurn(names), tell); err != nil {
		return err
	}
	sc.mu.Lock()
	defer sc.mu.Unlock()
	if sc.beat = sc.beat[min(len(names), len(sc.beat)):]; len(sc.beat) == 0 {
		sc.settled = sc.from
	}
	return nil
}

// nextPatrol gives the services to look at now, none when all is calm, and what may have changed
// without a sign.
func (sc *scope) nextPatrol() (names []string, notice watch.Notice) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	found := sc.collect()
	if len(sc.beat) == 0 && sc.restless {
		sc.beat, sc.restless, sc.from = slices.Collect(maps.Keys(sc.services)), false, sc.table
		found.queries(sc.lists[listServices]) // of which what comes and goes at once leaves no sign
	}
	return sc.beat[:min(len(sc.beat), len(sc.services)/patrolParts+1)], found.notice()
}

// patrolled is the index up to which all changes have been told for good.
func (sc *scope) patrolled() uint64 {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	return sc.settled
}
