package consul

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/watch"
)

// pollTime is how often a list is read whose endpoint has no blocking queries.
const pollTime = 15 * time.Second

// lister reads a list once.
type lister func(*Source, context.Context, watch.Query) (any, error)

// polled are the kinds of query whose endpoint has no blocking queries.
var polled = map[string]lister{
	watch.KindDatacenters: (*Source).datacenters,
	watch.KindPartitions:  (*Source).partitions,
}

// look reads a list now, or when it is time to look again.
func (s *Source) look(ctx context.Context, read lister, q watch.Query, after uint64, hold time.Duration) (watch.Answer, error) {
	if after > 0 {
		select {
		case <-ctx.Done():
			return watch.Answer{}, ctx.Err()
		case <-time.After(min(hold, s.poll)):
		}
	}
	list, err := read(s, ctx, q)
	if err != nil {
		return watch.Answer{}, s.failure(ctx, q, err)
	}
	return watch.Answer{Value: list, Version: after + 1}, nil
}

// partitions reads the list of partitions, which only Consul Enterprise has.
func (s *Source) partitions(ctx context.Context, _ watch.Query) (any, error) {
	if err := s.admit(ctx); err != nil {
		return nil, err
	}
	var partitions []*api.Partition
	err := within(ctx, s.silence, func(ctx context.Context) (err error) {
		partitions, _, err = s.client.Partitions().List(ctx, (&api.QueryOptions{}).WithContext(ctx))
		return err
	})
	if err != nil {
		return nil, err
	}
	list := make([]*watch.Partition, 0, len(partitions))
	for _, p := range partitions {
		list = append(list, &watch.Partition{Name: p.Name, Description: p.Description})
	}
	slices.SortFunc(list, func(a, b *watch.Partition) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}
