package main

import (
	"context"
	"time"
)

// evenly calls do n times at an even rate, by a schedule: one that took longer does
// not put off those after it.
func evenly(ctx context.Context, n int, all time.Duration, do func() error) error {
	start := time.Now()
	for i := range n {
		pause(ctx, time.Until(start.Add(all*time.Duration(i)/time.Duration(n))))
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
