package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/internal/servers"
)

const (
	canaryKey = "release/shop/canary"
	siteName  = "shop.example.com"

	workTime = 20 * time.Millisecond // of a request
)

// instance is one of the shop: it answers with its name.
type instance struct {
	*servers.HTTPBackend
	agent *servers.Consul
}

// startInstance starts an instance of a version and registers it, as passing: it serves
// already. Consul checks it each second.
func startInstance(ctx context.Context, agent *servers.Consul, version string, n int) (*instance, error) {
	backend, err := servers.StartHTTPBackend(fmt.Sprintf("shop-%s-%d", version, n))
	if err != nil {
		return nil, err
	}
	backend.SetDelay(workTime)
	registration := &api.AgentServiceRegistration{
		ID: backend.ID, Name: "shop", Tags: []string{"http"}, Meta: map[string]string{"version": version},
		Address: "127.0.0.1", Port: backend.Port,
		Check: &api.AgentServiceCheck{HTTP: "http://" + backend.Addr + "/health", Interval: "1s", Timeout: "1s", Status: api.HealthPassing},
	}
	if err := agent.Client.Agent().ServiceRegisterOpts(registration, api.ServiceRegisterOpts{}.WithContext(ctx)); err != nil {
		backend.Kill()
		return nil, fmt.Errorf("register %s: %w", backend.ID, err)
	}
	return &instance{backend, agent}, nil
}

// versionOf gives the version of the instance that has answered: v1 of shop-v1-2.
func versionOf(answer string) (string, error) {
	parts := strings.Split(answer, "-")
	if len(parts) != 3 || parts[0] != "shop" {
		return "", fmt.Errorf("%q is no instance of the shop", answer)
	}
	return parts[1], nil
}

// leave takes the instance out of the catalog. It goes on to serve.
func (i *instance) leave(ctx context.Context) error {
	if err := i.agent.Client.Agent().ServiceDeregisterOpts(i.ID, (&api.QueryOptions{}).WithContext(ctx)); err != nil {
		return fmt.Errorf("deregister %s: %w", i.ID, err)
	}
	return nil
}

// put writes the percentage.
func (w *world) put(ctx context.Context, percent string) error {
	pair := &api.KVPair{Key: canaryKey, Value: []byte(percent)}
	if _, err := w.consul.Client.KV().Put(pair, (&api.WriteOptions{}).WithContext(ctx)); err != nil {
		return fmt.Errorf("write %s: %w", canaryKey, err)
	}
	return nil
}

// unset deletes it.
func (w *world) unset(ctx context.Context) error {
	if _, err := w.consul.Client.KV().Delete(canaryKey, (&api.WriteOptions{}).WithContext(ctx)); err != nil {
		return fmt.Errorf("delete %s: %w", canaryKey, err)
	}
	return nil
}

// passing waits until Consul has so many instances of a version that pass.
func (w *world) passing(ctx context.Context, version string, want int) error {
	return servers.Wait(ctx, func() error {
		entries, _, err := w.consul.Client.Health().Service("shop", "", true, (&api.QueryOptions{}).WithContext(ctx))
		have := 0
		for _, entry := range entries {
			if entry.Service.Meta["version"] == version {
				have++
			}
		}
		if err == nil && have != want {
			err = fmt.Errorf("%d instances of %s pass, not %d", have, version, want)
		}
		return err
	})
}
