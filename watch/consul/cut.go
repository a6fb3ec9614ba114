package consul

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/watch"
)

const (
	// leastCut is the shortest wait whose end without an answer may be due to something
	// between here and the agent that has a time limit of its own.
	leastCut = time.Second
	// againWithin bounds the random time after which what was cut off is asked again: it may
	// have been the end of the agent, which all have seen at once.
	againWithin = time.Second
	// cutsToLearn is how many waits in a row are cut off after the same time until it is taken
	// for a time limit.
	cutsToLearn = 3
	// cutsDiffer is by how much, beside a tenth, times that are the same may differ.
	cutsDiffer = time.Second / 2
	// cutsForget is how long after the last cut it is tried whether there is a limit still.
	cutsForget = time.Hour
)

// cuts is what is known of a time limit between here and the agent.
type cuts struct {
	log  *slog.Logger
	name string // of the agent, in messages

	mu    sync.Mutex
	limit time.Duration // a query is held for less; 0 while there is none known
	after time.Duration // the shortest of the last cuts
	count int           // in a row, each of a wait that began after the one before
	last  time.Time
}

// hold is how long a query may be held, of what is wished. Consul (v1.20) notices that one is
// given up where it streams, as it does for the instances of a service.
func (s *Source) hold(q watch.Query, most time.Duration) time.Duration {
	s.cuts.mu.Lock()
	defer s.cuts.mu.Unlock()
	if s.cuts.limit > 0 && time.Since(s.cuts.last) > cutsForget {
		s.cuts.limit = 0
	}
	if s.cuts.limit > 0 {
		most = min(most, s.cuts.limit)
	}
	return s.transport.budget.hold(most, q.Kind != watch.KindService)
}

// wait is read for what is newer than after. A wait that is cut off by something in between is
// no failure: what there is by now is read instead.
func (s *Source) wait(ctx context.Context, read reader, q watch.Query, after uint64, hold time.Duration) (any, *api.QueryMeta, error) {
	start, stale := time.Now(), s.maxStale > 0
	value, meta, err := s.read(ctx, read, q, after, hold, stale)
	took := time.Since(start)
	if err == nil || after == 0 || took < leastCut || took >= hold || !s.cutOff(ctx, err) {
		return value, meta, err
	}
	sleep(ctx, rand.N(againWithin))
	value, meta, err = s.read(ctx, read, q, 0, 0, stale)
	if err == nil {
		if last := s.transport.cut.Load(); last != nil && last.at.After(start) && last.waited >= leastCut {
			took = last.waited
		}
		s.cuts.note(start, took)
	}
	return value, meta, err
}

// cut is a connection that ended while a request waited.
type cut struct {
	at     time.Time
	waited time.Duration
}

// cutOff tells whether an error is how the time limit of a proxy looks: a status that says so,
// or a connection that ends.
func (s *Source) cutOff(ctx context.Context, err error) bool {
	var status api.StatusError
	if errors.As(err, &status) {
		return status.Code == http.StatusGatewayTimeout || status.Code == http.StatusRequestTimeout
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return false
	}
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(s.explain(ctx, err), watch.ErrNoAnswer)
}

// note learns from a wait that was cut off.
func (c *cuts) note(start time.Time, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if start.Before(c.last) {
		return // it was cut off together with others
	}
	if diff := took - c.after; diff.Abs() > took/10+cutsDiffer {
		c.count = 0
	} else {
		took = min(took, c.after) // a busy machine notices late, never early
	}
	c.after, c.last = took, time.Now()
	if c.count++; c.count < cutsToLearn {
		return
	}
	c.count, c.limit = 0, took*4/5
	c.log.Warn("something between here and "+c.name+" ends queries that wait for a change: they wait for less from now on; "+
		"raise its time limit, or lower block_query_wait", "after", took.Round(time.Millisecond), "wait", c.limit.Round(time.Millisecond))
}
