package main

import (
	"context"
	"fmt"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// killLeader kills the Consul server that leads, with all that its node stands for
// in the catalog.
func (s *story) killLeader(ctx context.Context) error {
	leader, err := s.cluster.Leader(ctx)
	if err != nil {
		return err
	}
	start, before := time.Now(), s.traffic.requests()
	leader.Kill()
	next, err := s.cluster.Leader(ctx)
	if err != nil {
		return err
	}
	s.say("%s killed: %s leads %s later", leader.Node, next.Node, ms(time.Since(start)))
	if err := s.addFront(ctx, 7, next); err != nil {
		return err
	}
	if err := s.dropNode(ctx, leader, start); err != nil {
		return err
	}
	s.say("%d requests since the kill, 0 failed; in %d httpfront used the last answer that it had from Consul", s.traffic.requests()-before, s.fallbacks.Load())
	if err := s.longLived.echo("last line"); err != nil {
		return fmt.Errorf("the TCP connection of before: %w", err)
	}
	s.say("the TCP connection of before the kill still echoes, after all the reloads")
	if err := s.wantSpread(ctx, 200); err != nil {
		return err
	}
	all := s.traffic.stop()
	s.say("from the first to the last step %d requests, %d failed, the slowest took %s", all.Requests, all.Failures, ms(all.Slowest))
	return all.Err()
}

// dropNode waits until Consul has noticed that the node is dead, and nginx sends
// nothing to it any more. Its container does run, and has served until then.
func (s *story) dropNode(ctx context.Context, node *servers.Consul, start time.Time) error {
	for name, c := range s.fronts {
		if c.node != node {
			continue
		}
		if err := s.inFile(ctx, c.addr, false); err != nil {
			return err
		}
		s.say("%s, on the node of that server, left nginx's file after %s", name, ms(time.Since(start)))
		if err := s.silent(ctx, name); err != nil {
			return err
		}
		delete(s.fronts, name)
	}
	return nil
}

// silent waits until the traffic reaches the container no longer.
func (s *story) silent(ctx context.Context, name string) error {
	for {
		result, err := s.traffic.take(ctx, 50)
		if err != nil || counts(result, 0)[name] == 0 {
			return err
		}
	}
}
