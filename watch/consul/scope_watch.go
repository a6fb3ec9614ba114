package consul

import (
	"context"
	"sync"

	"github.com/ctmpl/ctmpl/watch"
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
		return sc.followNodes(ctx, prober, tell, move, sync.OnceFunc(func() { close(nodes); started() }))
	})
	run(func(started func()) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-nodes:
			return sc.watchGroups(ctx, prober, move, started)
		}
	})
	for which := range statuses {
		run(func(started func()) error { return sc.followChecks(ctx, prober, which, tell, started) })
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
