package watch

import (
	"log/slog"
	"time"
)

// Options set how a Scheduler asks. The zero value of a field takes its default.
type Options struct {
	// Name is what the source is called in messages: Consul at 127.0.0.1:8500.
	Name string
	// Connections is how many queries are asked at once, 160 by default: a Consul
	// agent allows 200 connections per client address
	// (limits.http_max_conns_per_client).
	Connections int
	// Hold is how long a query waits for a change at the source, 60 s by default.
	Hold  time.Duration
	Retry Retry
	Log   *slog.Logger
}

// Retry is how failed queries are asked again.
type Retry struct {
	// Attempts is how often a query that fails is asked again before the Scheduler
	// ends with an error; 0 goes on for ever, a negative number does not ask again
	// at all.
	Attempts   int
	Backoff    time.Duration // about the first wait, doubled each time; 250 ms by default
	MaxBackoff time.Duration // 1 min by default
}

func (o Options) withDefaults() Options {
	if o.Connections <= 0 {
		o.Connections = 160
	}
	if o.Hold <= 0 {
		o.Hold = time.Minute
	}
	if o.Retry.Backoff <= 0 {
		o.Retry.Backoff = 250 * time.Millisecond
	}
	if o.Retry.MaxBackoff <= 0 {
		o.Retry.MaxBackoff = time.Minute
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}
