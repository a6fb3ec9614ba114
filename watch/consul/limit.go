package consul

import (
	"context"
	"net/http/httptrace"
	"time"
)

// placeWait bounds how long a request waits for its connection: the places at the agent may be
// taken until the waits of queries that were given up are over.
const placeWait = 65 * time.Second

// within does requests, each of which the agent may take so long to answer; then it gives
// context.DeadlineExceeded. That time begins when it was asked: to wait for a place at the agent
// is no silence of it.
func within(ctx context.Context, limit time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(placeWait+limit, func() { cancel(context.DeadlineExceeded) })
	defer timer.Stop()
	trace := &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { timer.Reset(limit) }}
	err := do(httptrace.WithClientTrace(ctx, trace))
	if err != nil && context.Cause(ctx) == context.DeadlineExceeded {
		return context.DeadlineExceeded
	}
	return err
}
