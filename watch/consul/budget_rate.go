package consul

import (
	"context"

	"golang.org/x/time/rate"
)

// newBucket bounds how many requests are begun in a second, with a tenth of that at once;
// nil does not bound them.
func newBucket(perSecond int) *rate.Limiter {
	if perSecond <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(perSecond), max(1, perSecond/10))
}

// admit waits until a request may begin. It is called before the time begins that the agent
// has for it. Its error is that of ctx.
func (s *Source) admit(ctx context.Context) error {
	if s.bucket == nil {
		return nil
	}
	if err := s.bucket.Wait(ctx); err != nil {
		<-ctx.Done() // the bucket gives up as soon as it sees that it will take too long
		return ctx.Err()
	}
	return nil
}

// Budget implements watch.Budgeted.
func (s *Source) Budget() int { return s.transport.budget.queries() }
