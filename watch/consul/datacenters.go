package consul

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/watch"
)

// dcTime is how long a datacenter may take before it counts as failing.
const dcTime = 10 * time.Second

// datacenters reads the list, of all or of those that answer.
func (s *Source) datacenters(ctx context.Context, q watch.Query) (any, error) {
	list, err := s.listDatacenters(ctx)
	if err == nil && q.Param("ignore-failing") != "" {
		list, err = s.working(ctx, list)
	}
	return list, err
}

func (s *Source) listDatacenters(ctx context.Context) ([]string, error) {
	if err := s.admit(ctx); err != nil {
		return nil, err
	}
	list := []string{}
	err := within(ctx, s.silence, func(ctx context.Context) error {
		_, err := s.client.Raw().Query("/v1/catalog/datacenters", &list, (&api.QueryOptions{}).WithContext(ctx))
		return err
	})
	slices.Sort(list)
	return list, err
}

// working leaves out the datacenters that do not answer.
func (s *Source) working(ctx context.Context, all []string) ([]string, error) {
	list := []string{}
	for _, dc := range all {
		err := s.try(ctx, dc)
		if err == nil {
			list = append(list, dc)
		} else if !isAbout(ctx, err) {
			return nil, err
		}
	}
	return list, nil
}

// try asks a datacenter for data of its leader.
func (s *Source) try(ctx context.Context, dc string) error {
	if err := s.admit(ctx); err != nil {
		return err
	}
	opts := &api.QueryOptions{Datacenter: dc, RequireConsistent: true}
	return within(ctx, min(dcTime, s.silence), func(ctx context.Context) error {
		_, _, err := s.client.Catalog().Services(opts.WithContext(ctx))
		return err
	})
}

// isAbout tells whether an error is about the datacenter that was asked, and not
// about the agent through which it was.
func isAbout(ctx context.Context, err error) bool {
	var status api.StatusError
	if errors.As(err, &status) {
		return status.Code != http.StatusTooManyRequests
	}
	return ctx.Err() == nil && unreachable(err) == "" && errors.Is(err, context.DeadlineExceeded)
}
