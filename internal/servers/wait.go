package servers

import (
	"context"
	"fmt"
	"time"
)

// pollTime is the pause between two looks at a condition.
const pollTime = 5 * time.Millisecond

// Wait calls f every few milliseconds until it returns nil. When ctx ends first,
// the error holds the last one of f.
func Wait(ctx context.Context, f func() error) error {
	ticker := time.NewTicker(pollTime)
	defer ticker.Stop()
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (%w)", err, context.Cause(ctx))
		case <-ticker.C:
		}
	}
}

// waitFor is Wait for a condition of a server that may end before it holds.
func waitFor(ctx context.Context, p *process, f func() error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-p.done:
			cancel(fmt.Errorf("%s has ended: %s", p.name, p.exit()))
		case <-ctx.Done():
		}
	}()
	err := Wait(ctx, f)
	cancel(nil)
	<-ended
	return err
}
