package main

import (
	"context"
	"fmt"
	"maps"

	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// service is one container as registrator (https://github.com/gliderlabs/registrator)
// registers it with the agent of its node.
type service struct {
	name      string // "httpfront"
	container string // "httpfront-7"
	inner     int    // the port inside of the container
	tags      []string
	address   string
	port      int               // the port on the node
	meta      map[string]string // beside the version
}

// id has the form host:container:port.
func (s service) id(node *servers.Consul) string {
	return fmt.Sprintf("%s:%s:%d", node.Node, s.container, s.inner)
}

// register registers a service on a node with the check, which may be nil.
func (s service) register(ctx context.Context, node *servers.Consul, check *api.AgentServiceCheck) error {
	meta := map[string]string{"version": "v1"}
	maps.Copy(meta, s.meta)
	registration := &api.AgentServiceRegistration{
		ID: s.id(node), Name: s.name, Tags: s.tags, Address: s.address, Port: s.port,
		Meta: meta, Check: check,
	}
	if err := node.Client.Agent().ServiceRegisterOpts(registration, api.ServiceRegisterOpts{}.WithContext(ctx)); err != nil {
		return fmt.Errorf("register %s: %w", registration.ID, err)
	}
	return nil
}

// deregister takes a service out of the catalog.
func (s service) deregister(ctx context.Context, node *servers.Consul) error {
	query := (&api.QueryOptions{}).WithContext(ctx)
	if err := node.Client.Agent().ServiceDeregisterOpts(s.id(node), query); err != nil {
		return fmt.Errorf("deregister %s: %w", s.id(node), err)
	}
	return nil
}

// healthCheck has Consul ask for url every second, and passes until then.
func healthCheck(url string) *api.AgentServiceCheck {
	return &api.AgentServiceCheck{HTTP: url, Interval: "1s", Timeout: "1s", Status: api.HealthPassing}
}

// failedCheck stays critical until somebody says that it passes.
func failedCheck() *api.AgentServiceCheck {
	return &api.AgentServiceCheck{TTL: "24h", Status: api.HealthCritical}
}

// pass says that the failedCheck of a service passes.
func (s service) pass(ctx context.Context, node *servers.Consul) error {
	query := (&api.QueryOptions{}).WithContext(ctx)
	if err := node.Client.Agent().UpdateTTLOpts("service:"+s.id(node), "", api.HealthPassing, query); err != nil {
		return fmt.Errorf("let the check of %s pass: %w", s.id(node), err)
	}
	return nil
}
