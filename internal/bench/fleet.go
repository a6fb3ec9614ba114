package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"
)

// fleet is what is in Consul for a burst, beside the service that nginx is asked for.
// The first instance of each service stays, since nginx refuses an empty upstream.
type fleet struct {
	client   *api.Client
	services [][]instance
	made     int // ports given out, each is used once
	next     int // change of this burst
	removals int // of this burst: changes that took an instance away

	mu      sync.Mutex
	awaited map[int]awaited // by port: what nginx does not show yet
	delays  []time.Duration // of what it has shown in this burst
}

// awaited is a change that is to be seen.
type awaited struct {
	there bool // the port is to be served, or not any more
	since time.Time
}

type instance struct {
	port        int
	there, sick bool
}

func newFleet(client *api.Client, services, instances int) *fleet {
	f := &fleet{client: client, services: make([][]instance, services)}
	for s := range f.services {
		f.services[s] = make([]instance, instances)
	}
	return f
}

// reset registers all instances, for the next burst to be like the one before.
func (f *fleet) reset() error {
	f.begin()
	for s := range f.services {
		for i := range f.services[s] {
			if err := f.add(s, i); err != nil {
				return err
			}
		}
	}
	return nil
}

// begin forgets the burst before.
func (f *fleet) begin() {
	f.next, f.removals, f.delays, f.awaited = 0, 0, nil, make(map[int]awaited)
}

// play makes n changes at an even rate.
func (f *fleet) play(ctx context.Context, n int, all time.Duration) error {
	return evenly(ctx, n, all, f.change)
}

// change lets an instance of the next service leave, become sick, or return. With
// every other service ahead by one, instances leave and return at the same time.
func (f *fleet) change() error {
	service, round := f.next%len(f.services), f.next/len(f.services)
	index := 1 + (round+service%2)/2%(len(f.services[service])-1)
	f.next++
	const flips = 11 // one change in so many is that of a check
	switch in := &f.services[service][index]; {
	case in.sick:
		return f.check(service, index, api.HealthPassing)
	case !in.there:
		return f.add(service, index)
	case f.next%flips == 0:
		f.removals++
		return f.check(service, index, api.HealthCritical)
	}
	f.removals++
	return f.remove(service, index)
}

// add registers an instance that passes, with a port that was not used before.
func (f *fleet) add(service, index int) error {
	f.made++
	in := &f.services[service][index]
	*in = instance{port: firstPort + f.made, there: true}
	f.await(in.port, true)
	r := registration(service, index)
	r.Service = &api.AgentService{ID: r.Check.ServiceID, Service: fmt.Sprintf("svc-%d", service), Port: in.port, Tags: []string{"http"}}
	_, err := f.client.Catalog().Register(r, nil)
	return err
}

func (f *fleet) check(service, index int, status string) error {
	in := &f.services[service][index]
	in.sick = status != api.HealthPassing
	f.await(in.port, !in.sick)
	r := registration(service, index)
	r.Check.Status = status
	_, err := f.client.Catalog().Register(r, nil)
	return err
}

func (f *fleet) remove(service, index int) error {
	in := &f.services[service][index]
	in.there = false
	f.await(in.port, false)
	r := registration(service, index)
	_, err := f.client.Catalog().Deregister(&api.CatalogDeregistration{Node: r.Node, ServiceID: r.Check.ServiceID}, nil)
	return err
}

// await notes a change that begins now. When the one before of the same port has not
// been seen yet there is nothing to be seen of either: they have met half way.
func (f *fleet) await(port int, there bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, pending := f.awaited[port]; pending {
		delete(f.awaited, port)
		return
	}
	f.awaited[port] = awaited{there: there, since: time.Now()}
}

// seen notes which ports nginx serves.
func (f *fleet) seen(ports []int) {
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	for port, a := range f.awaited {
		if _, there := slices.BinarySearch(ports, port); there == a.there {
			f.delays = append(f.delays, now.Sub(a.since))
			delete(f.awaited, port)
		}
	}
}

// registration is that of the node and of the check of an instance, which passes.
func registration(service, index int) *api.CatalogRegistration {
	node, id := fmt.Sprintf("node-%d-%d", service, index), fmt.Sprintf("svc-%d-%d", service, index)
	return &api.CatalogRegistration{
		Node: node, Address: fmt.Sprintf("10.%d.%d.%d", index, service/250, service%250+1),
		Check: &api.AgentCheck{Node: node, CheckID: "service:" + id, Name: "health", ServiceID: id, Status: api.HealthPassing},
	}
}

// ports are those of all instances that can serve, sorted.
func (f *fleet) ports() []int {
	var list []int
	for _, service := range f.services {
		for _, in := range service {
			if in.there && !in.sick {
				list = append(list, in.port)
			}
		}
	}
	slices.Sort(list)
	return list
}
