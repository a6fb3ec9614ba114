package main

import (
	"context"
	"fmt"

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

// wantShare checks that requests follow the weights of nginx's file, which are to stay the
// same meanwhile.
func (s *story) wantShare(ctx context.Context) error {
	weights, err := s.weights()
	if err != nil {
		return err
	}
	counts, err := s.take(ctx, sample)
	if err != nil {
		return err
	}
	x, err := chiSquared(counts, weights)
	if err != nil {
		return err
	}
	bound := bounds[len(weights)-1]
	s.say("weight and share: %s", list(counts, weights))
	evenly, _ := chiSquared(counts, even(weights)) // the error would be that of above
	s.say("chi-squared against the weights %.2f (at most %.2f), against even shares %.2f", x, bound, evenly)
	if x > bound {
		return fmt.Errorf("the requests do not follow the weights: %v of %v", counts, weights)
	}
	return nil
}
