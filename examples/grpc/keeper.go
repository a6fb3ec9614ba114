package main

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/internal/servers"
)

const (
	ttl      = 3 * time.Second // without a sign of life for so long a server is critical
	beatTime = ttl / 4
	linger   = time.Second // from leaving Consul to the end of a server
)

// register registers a server with the check. One with a TTL is critical until it is
// passed for the first time.
func (s *server) register(ctx context.Context, agent *servers.Consul, check *api.AgentServiceCheck) error {
	check.CheckID = s.checkID()
	registration := &api.AgentServiceRegistration{
		ID: s.name, Name: "hello", Tags: []string{"grpc"}, Address: "127.0.0.1", Port: s.port, Check: check,
	}
	if err := agent.Client.Agent().ServiceRegisterOpts(registration, api.ServiceRegisterOpts{}.WithContext(ctx)); err != nil {
		return fmt.Errorf("register %s: %w", s.name, err)
	}
	return nil
}

func (s *server) checkID() string { return s.name + "-alive" }

// ttlCheck waits for signs of life.
func ttlCheck() *api.AgentServiceCheck { return &api.AgentServiceCheck{TTL: ttl.String()} }

// grpcCheck has Consul ask the health service of gRPC, each second.
func grpcCheck(s *server) *api.AgentServiceCheck {
	return &api.AgentServiceCheck{GRPC: s.addr + "/" + serviceName, Interval: "1s", Timeout: "1s"}
}

// deregister takes a server out of the catalog.
func (s *server) deregister(ctx context.Context, agent *servers.Consul) error {
	if err := agent.Client.Agent().ServiceDeregisterOpts(s.name, (&api.QueryOptions{}).WithContext(ctx)); err != nil {
		return fmt.Errorf("deregister %s: %w", s.name, err)
	}
	return nil
}

// keeper passes the TTL of a server, again and again.
type keeper struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// keep passes the TTL for the first time, and goes on with it. That this fails later is
// nothing to do anything about: Consul may be away for a moment.
func (s *server) keep(ctx context.Context, agent *servers.Consul) error {
	if err := s.pass(ctx, agent); err != nil {
		return err
	}
	life, cancel := context.WithCancel(context.Background())
	s.keeper = &keeper{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(s.keeper.done)
		ticker := time.NewTicker(beatTime)
		defer ticker.Stop()
		for {
			select {
			case <-life.Done():
				return
			case <-ticker.C:
				_ = s.pass(life, agent)
			}
		}
	}()
	return nil
}

func (s *server) pass(ctx context.Context, agent *servers.Consul) error {
	query := (&api.QueryOptions{}).WithContext(ctx)
	if err := agent.Client.Agent().UpdateTTLOpts(s.checkID(), "alive", api.HealthPassing, query); err != nil {
		return fmt.Errorf("pass the TTL of %s: %w", s.name, err)
	}
	return nil
}

// stop ends the signs of life. Of none, and a second time, it does nothing.
func (k *keeper) stop() {
	if k != nil {
		k.cancel()
		<-k.done
	}
}

// leave is how a server ends well: it leaves Consul, goes on to serve until nginx has
// noticed, and only then it stops.
func (s *server) leave(ctx context.Context, agent *servers.Consul) error {
	s.keeper.stop()
	if err := s.deregister(ctx, agent); err != nil {
		return err
	}
	select {
	case <-time.After(linger):
	case <-ctx.Done():
		return ctx.Err()
	}
	s.stop()
	return nil
}
