package main

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/hashicorp/consul/api"
)

// join adds an instance to a service.
func (u *upheaval) join() error { return u.add(pick(u, u.groups)) }

func (u *upheaval) add(g *group) error {
	u.named++
	m := &member{
		&api.AgentService{
			ID: fmt.Sprintf("%s-more-%d", g.name, u.named), Service: g.name, Port: u.number(),
			Tags: []string{"http"}, Meta: map[string]string{"version": strconv.Itoa(u.named)},
		},
		pick(u, u.hosts), api.HealthPassing,
	}
	g.members = append(g.members, m)
	return u.register(&api.CatalogRegistration{Node: m.host.name, Service: m.AgentService, Check: m.check(), SkipNodeUpdate: true})
}

// number is a new port, or whatever else is to be new.
func (u *upheaval) number() int { return firstPort + (u.made+u.named)%50_000 }

// leave takes an instance away, with its service when it is the last.
func (u *upheaval) leave() error {
	at := u.random.IntN(len(u.groups))
	g := u.groups[at]
	i := u.random.IntN(len(g.members))
	m := g.members[i]
	g.members = slices.Delete(g.members, i, i+1)
	u.forgetEmpty(at)
	return u.deregister(m)
}

// forgetEmpty lets a service go, unless no other is left.
func (u *upheaval) forgetEmpty(at int) {
	if len(u.groups[at].members) == 0 {
		u.groups = slices.Delete(u.groups, at, at+1)
	}
}

func (u *upheaval) port() error {
	m := u.anyMember()
	m.Port = u.number()
	return u.update(m)
}

func (u *upheaval) meta() error {
	m := u.anyMember()
	m.Meta = map[string]string{"version": "2." + strconv.Itoa(u.number()), "team": "team-" + strconv.Itoa(u.random.IntN(40))}
	return u.update(m)
}

func (u *upheaval) tags() error {
	m := u.anyMember()
	m.Tags = []string{"http", "build-" + strconv.Itoa(u.number())}
	return u.update(m)
}

// update registers an instance anew, without touching its check.
func (u *upheaval) update(m *member) error {
	return u.register(&api.CatalogRegistration{Node: m.host.name, Service: m.AgentService, SkipNodeUpdate: true})
}

// check changes the status of that of an instance.
func (u *upheaval) check() error {
	m := u.anyMember()
	m.status = u.other(m.status)
	return u.register(&api.CatalogRegistration{Node: m.host.name, Check: m.check(), SkipNodeUpdate: true})
}

// other is a status that is not this one; passing is the most frequent.
func (u *upheaval) other(status string) string {
	if status != api.HealthPassing {
		return api.HealthPassing
	}
	return pick(u, []string{api.HealthWarning, api.HealthCritical})
}

func (m *member) check() *api.AgentCheck {
	return &api.AgentCheck{
		Node: m.host.name, CheckID: "service:" + m.ID, Name: "HTTP on /health", ServiceID: m.ID, ServiceName: m.Service, Status: m.status,
	}
}

// hostCheck changes the health of a node, and so that of all its instances.
func (u *upheaval) hostCheck() error {
	h := pick(u, u.hosts)
	h.status = u.other(h.status)
	return u.register(&api.CatalogRegistration{
		Node: h.name, SkipNodeUpdate: true,
		Check: &api.AgentCheck{Node: h.name, CheckID: nodeCheck, Name: nodeCheckName, Status: h.status},
	})
}

// move gives a node another address.
func (u *upheaval) move() error {
	h := pick(u, u.hosts)
	h.address = fmt.Sprintf("10.1.%d.%d", u.random.IntN(256), u.random.IntN(256))
	return u.register(&api.CatalogRegistration{Node: h.name, Address: h.address})
}

// found makes a new service with one to three instances.
func (u *upheaval) found() error {
	u.named++
	g := &group{name: fmt.Sprintf("new-%d", u.named)}
	u.groups = append(u.groups, g)
	for range 1 + u.random.IntN(3) {
		if err := u.add(g); err != nil {
			return err
		}
	}
	return nil
}

// dissolve takes all instances of a service away.
func (u *upheaval) dissolve() error {
	at := u.random.IntN(len(u.groups))
	members := u.groups[at].members
	u.groups = slices.Delete(u.groups, at, at+1)
	for _, m := range members {
		if err := u.deregister(m); err != nil {
			return err
		}
	}
	return nil
}

func (u *upheaval) register(r *api.CatalogRegistration) error {
	_, err := u.client.Catalog().Register(r, nil)
	return err
}

func (u *upheaval) deregister(m *member) error {
	_, err := u.client.Catalog().Deregister(&api.CatalogDeregistration{Node: m.host.name, ServiceID: m.ID}, nil)
	return err
}
