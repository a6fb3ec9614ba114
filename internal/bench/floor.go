package main

import (
	"context"
	"time"

	"github.com/hashicorp/consul/api"
	"golang.org/x/sync/errgroup"
)

// floor is what no program can be faster than: a blocking query of one service that
// this process holds itself, with changes of just that service.
func (p scalePlan) floor(ctx context.Context, catalog *registry) ([]time.Duration, error) {
	name := newInstance(0, 0, 0).Service
	entries, meta, err := catalog.client.Health().Service(name, "", true, nil)
	if err != nil {
		return nil, err
	}
	var delays []time.Duration
	for range min(p.changes, 100) {
		var waited errgroup.Group
		var arrived time.Time
		index := meta.LastIndex
		waited.Go(func() (err error) {
			query := (&api.QueryOptions{WaitIndex: index, AllowStale: true}).WithContext(ctx)
			entries, meta, err = catalog.client.Health().Service(name, "", true, query)
			arrived = time.Now()
			return err
		})
		pause(ctx, time.Duration(float64(time.Second)/p.rate)) // until it is held
		start := time.Now()
		if err := catalog.register(0, len(delays)%len(entries), catalog.port()); err != nil {
			return nil, err
		}
		if err := waited.Wait(); err != nil {
			return nil, err
		}
		delays = append(delays, arrived.Sub(start))
	}
	return delays, nil
}
