package main

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/hashicorp/consul/api"
)

// upheaval changes the catalog in all ways that templates can see. It knows what it
// has made of it, so that each change is one.
type upheaval struct {
	client *api.Client
	random *rand.Rand
	hosts  []*host
	groups []*group // the services, none of them without instances
	ways   []*kind
	weight int // of all kinds
	made   int // changes
	named  int // services and instances that got a name
}

// host is a node.
type host struct {
	name, address, status string
}

// group is a service with its instances.
type group struct {
	name    string
	members []*member
}

// member is an instance of a service, with the status of its check.
type member struct {
	*api.AgentService
	host   *host
	status string
}

// kind is one sort of change, with how often it comes.
type kind struct {
	name   string
	weight int
	do     func() error
	made   int
}

// newUpheaval begins with what the registry was seeded with.
func newUpheaval(r *registry) *upheaval {
	u := &upheaval{client: r.client, random: r.random}
	hosts := make(map[string]*host)
	for n := range r.nodes {
		h := &host{name: nodeName(n), address: nodeAddress(n), status: api.HealthPassing}
		u.hosts, hosts[h.name] = append(u.hosts, h), h
	}
	for s := range r.services {
		g := &group{name: newInstance(s, 0, 0).Service}
		for i := range r.instances {
			g.members = append(g.members, &member{newInstance(s, i, 1+s%firstPort), hosts[r.node(s, i)], api.HealthPassing})
		}
		u.groups = append(u.groups, g)
	}
	u.ways = []*kind{
		{name: "registrations", weight: 15, do: u.join},
		{name: "deregistrations", weight: 15, do: u.leave},
		{name: "ports", weight: 20, do: u.port},
		{name: "meta", weight: 10, do: u.meta},
		{name: "tags", weight: 10, do: u.tags},
		{name: "checks", weight: 15, do: u.check},
		{name: "node checks", weight: 4, do: u.hostCheck},
		{name: "node addresses", weight: 4, do: u.move},
		{name: "new services", weight: 4, do: u.found},
		{name: "services that go", weight: 3, do: u.dissolve},
	}
	for _, k := range u.ways {
		u.weight += k.weight
	}
	return u
}

// next makes a random change.
func (u *upheaval) next() error {
	at := u.random.IntN(u.weight)
	for _, k := range u.ways {
		if at -= k.weight; at < 0 {
			u.made++
			k.made++
			if err := k.do(); err != nil {
				return fmt.Errorf("%s: %w", k.name, err)
			}
			return nil
		}
	}
	return nil
}

// kinds tells how many changes were of which kind.
func (u *upheaval) kinds() string {
	var list []string
	for _, k := range u.ways {
		list = append(list, fmt.Sprintf("%d %s", k.made, k.name))
	}
	return strings.Join(list, ", ")
}

// pick gives one of a list.
func pick[T any](u *upheaval, list []T) T { return list[u.random.IntN(len(list))] }

func (u *upheaval) anyMember() *member { return pick(u, pick(u, u.groups).members) }
