package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// lookup gives the address of an instance of a service, as "127.0.0.2:22001".
type lookup func(ctx context.Context, name string) (string, error)

// byDNS asks the DNS port of the agent for the SRV records of the service
// (https://developer.hashicorp.com/consul/docs/services/discovery/dns-static-lookups).
func byDNS(agent *servers.Consul) lookup {
	resolver := &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, agent.DNSAddr)
		},
	}
	return func(ctx context.Context, name string) (string, error) {
		_, records, err := resolver.LookupSRV(ctx, name, "tcp", "service.consul.") // in random order
		if err != nil {
			return "", err
		}
		ips, err := resolver.LookupNetIP(ctx, "ip4", records[0].Target)
		if err != nil {
			return "", err
		}
		return net.JoinHostPort(ips[0].String(), strconv.Itoa(int(records[0].Port))), nil
	}
}

// byAPI asks the HTTP API of the agent for the instances that pass their checks.
func byAPI(agent *servers.Consul) lookup {
	return func(ctx context.Context, name string) (string, error) {
		query := (&api.QueryOptions{AllowStale: true}).WithContext(ctx)
		entries, _, err := agent.Client.Health().Service(name, "", true, query)
		if err != nil {
			return "", err
		}
		if len(entries) == 0 {
			return "", errors.New("no instance of " + name + " passes its checks")
		}
		chosen := entries[rand.IntN(len(entries))].Service
		return net.JoinHostPort(chosen.Address, strconv.Itoa(chosen.Port)), nil
	}
}

// patience is how long a request waits for Consul when it could do without.
const patience = time.Second

// keepLast gives the last answer again when there is no new one: that Consul does
// not answer is no reason to fail. fallbacks counts how often.
func keepLast(find lookup, fallbacks *atomic.Int64) lookup {
	var last atomic.Value
	return func(ctx context.Context, name string) (string, error) {
		known, ok := last.Load().(string)
		if ok {
			limited, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			ctx = limited
		}
		found, err := find(ctx, name)
		switch {
		case err == nil:
			last.Store(found)
			return found, nil
		case ok:
			fallbacks.Add(1)
			return known, nil
		}
		return "", fmt.Errorf("find %s: %w", name, err)
	}
}
