package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strconv"

	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// member is an instance of a service with its sidecar: Consul's own proxy.
type member struct {
	id      string
	addr    string // of the sidecar
	sidecar *child
}

// join registers an instance that listens on a port, and starts its sidecar. The
// instance passes its check from the moment that the sidecar listens.
func (w *world) join(ctx context.Context, id, service string, port int, meta map[string]string) (*member, error) {
	free, err := servers.FreePort()
	if err != nil {
		return nil, err
	}
	m := &member{id: id, addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(free))}
	check := id + "-listens"
	err = w.register(ctx, &api.AgentServiceRegistration{ID: id, Name: service, Port: port, Meta: meta, Connect: &api.AgentServiceConnect{
		SidecarService: &api.AgentServiceRegistration{Address: "127.0.0.1", Port: free, Checks: api.AgentServiceChecks{{CheckID: check, TTL: "1h"}}},
	}})
	if err != nil {
		return nil, err
	}
	if err := w.startSidecar(ctx, m); err != nil {
		return nil, err
	}
	return m, w.consul.Client.Agent().UpdateTTLOpts(check, "", api.HealthPassing, (&api.QueryOptions{}).WithContext(ctx))
}

func (w *world) register(ctx context.Context, r *api.AgentServiceRegistration) error {
	if err := w.consul.Client.Agent().ServiceRegisterOpts(r, api.ServiceRegisterOpts{}.WithContext(ctx)); err != nil {
		return fmt.Errorf("register %s: %w", r.ID, err)
	}
	return nil
}

// startSidecar returns when the proxy listens.
func (w *world) startSidecar(ctx context.Context, m *member) error {
	binary, err := servers.ConsulPath()
	if err != nil {
		return err
	}
	m.sidecar, err = startChild(w.dir, "sidecar-"+m.id, binary, "connect", "proxy", "-sidecar-for", m.id, "-http-addr", w.consul.HTTPAddr)
	if err != nil {
		return err
	}
	w.cleanup(func() error { m.sidecar.kill(); return nil }) // nothing that it would still have to do matters
	ctx, release := m.sidecar.bound(ctx)
	defer release()
	err = servers.Wait(ctx, func() error {
		conn, err := net.Dial("tcp", m.addr)
		if err == nil {
			conn.Close()
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("start the sidecar of %s: %w\n%s", m.id, err, m.sidecar.tail())
	}
	return nil
}

// intend says whether web may call a service. The later one counts.
func (w *world) intend(ctx context.Context, service string, action api.IntentionAction) error {
	_, _, err := w.consul.Client.ConfigEntries().Set(&api.ServiceIntentionsConfigEntry{
		Kind: api.ServiceIntentions, Name: service, Sources: []*api.SourceIntention{{Name: "web", Action: action}},
	}, (&api.WriteOptions{}).WithContext(ctx))
	return err
}

// leaf gives the certificate of a service, as any agent does to whom may ask for it.
func (w *world) leaf(ctx context.Context, service string) (tls.Certificate, error) {
	leaf, _, err := w.consul.Client.Agent().ConnectCALeaf(service, (&api.QueryOptions{}).WithContext(ctx))
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair([]byte(leaf.CertPEM), []byte(leaf.PrivateKeyPEM))
}

// rotate gives the authority of the mesh a new key, so a new root, which all leafs follow
// (https://developer.hashicorp.com/consul/docs/connect/ca/consul#root-certificate-rotation).
func (w *world) rotate(ctx context.Context, key string) error {
	_, err := w.consul.Client.Connect().CASetConfig(&api.CAConfig{Provider: "consul", Config: map[string]any{"PrivateKey": key}}, (&api.WriteOptions{}).WithContext(ctx))
	return err
}
