package main

import (
	"context"
	"fmt"
	"time"
)

// onDefaults lets the peer try the agent of ctmpl, with default limits, and tells
// what comes of it.
func (c *compared) onDefaults(ctx context.Context) {
	const patience = 20 * time.Second
	s := *c.own
	s.path, s.cold, s.refused = c.peer.path, nil, 0
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	stop := s.count(limited, 100*time.Millisecond)
	run, err := s.start(limited, "", "")
	if err == nil {
		run.stop()
	}
	stop()
	c.limited = fmt.Sprintf("none in %s; %s", patience, s.refusedText())
	if err == nil {
		c.limited = seconds(s.cold) + "; " + s.refusedText()
	}
}
