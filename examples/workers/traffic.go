package main

import (
	"context"
	"fmt"
	"maps"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// take waits for n requests from now on, each over a connection of its own, and gives how
// many of them each worker has answered.
func (s *story) take(ctx context.Context, n int) (map[string]int, error) {
	s.traffic.Take()
	want := s.traffic.Result().Requests + n
	err := servers.Wait(ctx, func() error {
		if have := s.traffic.Result().Requests; have < want {
			return fmt.Errorf("there are %d requests, not yet %d", have, want)
		}
		return nil
	})
	result := s.traffic.Take()
	if err == nil {
		err = result.Err()
	}
	return result.Backends, err
}

// sample is how many requests a share is measured by.
const sample = 600

// wantShare checks that requests follow the weights of nginx's file.
func (s *story) wantShare(ctx context.Context) error {
	counts, weights, err := s.measure(ctx)
	if err != nil {
		return err
	}
	x, err := chiSquared(counts, weights)
	if err != nil {
		return err
	}
	bound := bounds[len(weights)-1]
	s.say("share of %d requests: %s", sum(counts), list(counts, weights))
	evenly, _ := chiSquared(counts, even(weights)) // the error would be that of above
	s.say("chi-squared against the weights %.2f (at most %.2f), against even shares %.2f", x, bound, evenly)
	if x > bound {
		return fmt.Errorf("the requests do not follow the weights: %v of %v", counts, weights)
	}
	return nil
}

// measure gives how many requests each worker has answered, and the weights, which were the
// same all that time.
func (s *story) measure(ctx context.Context) (counts, weights map[string]int, err error) {
	for {
		if weights, err = s.weights(); err != nil {
			return nil, nil, err
		}
		if counts, err = s.take(ctx, sample); err != nil {
			return nil, nil, err
		}
		if after, err := s.weights(); err != nil || maps.Equal(weights, after) {
			return counts, weights, err
		}
	}
}
