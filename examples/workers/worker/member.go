package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/hashicorp/consul/api"
)

// member is the place of a worker in Consul: its registration and its entry.
type member struct {
	id    string
	meter *meter

	client       *api.Client
	registration *api.AgentServiceRegistration
	key          string
	told         atomic.Value // the last entry, text
}

func newMember(o options) (*member, error) {
	addr, err := netip.ParseAddrPort(o.address)
	if err != nil || !addr.Addr().IsValid() || addr.Addr().IsUnspecified() || addr.Port() == 0 {
		return nil, fmt.Errorf("-address %q: want the IP address and the port that nginx reaches this worker by, as in 10.0.0.11:8080", o.address)
	}
	config := api.DefaultConfig()
	config.Address = o.consul
	client, err := api.NewClient(config)
	if err != nil {
		return nil, fmt.Errorf("-consul %q: %w", o.consul, err)
	}
	ip := addr.Addr().String()
	m := &member{
		id: o.service + "-" + ip, meter: newMeter(o.slots, o.loadFile),
		client: client, key: o.service + "/" + addr.String(),
	}
	m.told.Store("")
	m.registration = &api.AgentServiceRegistration{
		ID: m.id, Name: o.service, Address: ip, Port: int(addr.Port()),
		Check: &api.AgentServiceCheck{
			HTTP: "http://" + addr.String() + "/status", Interval: o.check.String(), Timeout: o.checkTimeout.String(),
			Status: api.HealthPassing, // it listens already
		},
	}
	return m, nil
}

// join writes the entry and then registers the worker, so that it has the right weight
// from the first request on.
func (m *member) join(ctx context.Context) error {
	if err := m.tell(ctx); err != nil {
		return err
	}
	opts := api.ServiceRegisterOpts{}.WithContext(ctx)
	if err := m.client.Agent().ServiceRegisterOpts(m.registration, opts); err != nil {
		return fmt.Errorf("register %s: %w", m.id, err)
	}
	return nil
}

// update writes the entry again and again until ctx ends. A failure is told, and tried
// again at the next time: until then the entry is old, and the worker counts as busy.
func (m *member) update(ctx context.Context, every time.Duration, log io.Writer) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		limited, cancel := context.WithTimeout(ctx, every)
		if err := m.tell(limited); err != nil && ctx.Err() == nil {
			fmt.Fprintf(log, "worker: %v; next try in %s\n", err, every)
		}
		cancel()
	}
}

// tell writes the entry.
func (m *member) tell(ctx context.Context) error {
	load, err := m.meter.load()
	if err != nil {
		return err
	}
	text, err := json.Marshal(struct {
		Load int   `json:"load"`
		TS   int64 `json:"ts"`
	}{load, time.Now().Unix()})
	if err != nil {
		return err
	}
	m.told.Store(string(text))
	if _, err := m.client.KV().Put(&api.KVPair{Key: m.key, Value: text}, (&api.WriteOptions{}).WithContext(ctx)); err != nil {
		return fmt.Errorf("write the key %s: %w", m.key, err)
	}
	return nil
}

// entry gives what the worker has told last.
func (m *member) entry() string { return m.told.Load().(string) }

// leave takes the worker out of Consul.
func (m *member) leave(ctx context.Context) error {
	if err := m.client.Agent().ServiceDeregisterOpts(m.id, (&api.QueryOptions{}).WithContext(ctx)); err != nil {
		return fmt.Errorf("deregister %s: %w", m.id, err)
	}
	return nil
}

// clear takes the entry away.
func (m *member) clear(ctx context.Context) error {
	if _, err := m.client.KV().Delete(m.key, (&api.WriteOptions{}).WithContext(ctx)); err != nil {
		return fmt.Errorf("delete the key %s: %w", m.key, err)
	}
	return nil
}
