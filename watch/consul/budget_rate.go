package consul

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// atFirst is how many questions are put at once whose answers are there already: those to
	// thousands would all be in memory before the first one is read.
	atFirst = 200
	// turnTime is how long one counts as that: those of a datacenter that does not answer must
	// not hold up the others.
	turnTime = time.Second
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

// turn waits until a question may be put whose answer is there already. Its error is that of ctx.
func (s *Source) turn(ctx context.Context) (done func(), err error) {
	select {
	case s.turns <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	over := sync.OnceFunc(func() { <-s.turns })
	timer := time.AfterFunc(turnTime, over)
	return func() { timer.Stop(); over() }, nil
}

// Budget implements watch.Budgeted.
func (s *Source) Budget() int { return s.transport.budget.queries() }
