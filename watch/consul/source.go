// Package consul asks a Consul agent.
//
// What it guarantees:
//
//   - One Fetch is one blocking query: a GET with index and wait. Reads are
//     stale while the answering server is at most MaxStale behind the leader, and
//     asked again of the leader when it is not.
//   - A Fetch ends: when the answer is there, when ctx ends, or when the agent has
//     been silent for a while longer than it was asked to hold, since it was asked. It may be
//     held for less.
//   - It never has more connections open than its budget, but for those of HTTP/2 that the agent
//     wants to end, until their queries have ended. The budget is what is configured until the
//     agent refuses connections; then it shrinks below what the agent takes, and grows back
//     slowly. This is said once, and no query fails for it that was refused a few times.
//   - Over HTTPS it speaks HTTP/2 when the agent does: 6,000 queries on at most 30 connections,
//     of which none is made before it is needed.
//   - Of what need not be waited for, it asks no more than 200 questions at a time.
//   - No more requests begin in a second than are configured; the second one of the agent's
//     own node, which needs its name first, is not counted.
//   - A wait that a proxy cuts off is no failure, and loses no change.
//   - It can look after thousands of queries over a dozen connections, and tells within a
//     fraction of a second which answers may have changed: never too few of them.
//   - Answers are sorted, so equal data is an equal value.
//   - The text of an error is the same while its cause is, and holds no token.
//   - An answer that may lack something says so: what the token may not see, what a
//     server without a leader may not know.
package consul

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
	"golang.org/x/time/rate"

	"github.com/ctmpl/ctmpl/watch"
)

// Source is a watch.Source backed by a Consul agent.
type Source struct {
	client    *api.Client
	transport *counted // of client
	bucket    *rate.Limiter
	turns     chan struct{}
	log       *slog.Logger
	cuts      cuts
	addr      string
	maxStale  time.Duration
	silence   time.Duration
	poll      time.Duration
	anonymous bool              // there is no token
	hide      *strings.Replacer // of secrets, in what others send
	intern    interner
	lists     *lists
	sentinels sentinels
	target    target // of probes
	proxied   bool   // there is a proxy in between
	patrol    time.Duration
}

// silence is how much longer than it was asked to hold an agent may take. Consul
// adds up to a sixteenth of the wait as jitter
// (https://developer.hashicorp.com/consul/api-docs/features/blocking), and may
// look for a leader for some 20 s before it answers.
const silence = 30 * time.Second

// Addr is the address that is asked, for messages.
func (s *Source) Addr() string { return s.addr }

// Close closes the connections that no Fetch uses, so that another source can have
// them.
func (s *Source) Close() { s.transport.CloseIdleConnections() }

// Fetch implements watch.Source.
func (s *Source) Fetch(ctx context.Context, q watch.Query, after uint64, hold time.Duration) (watch.Answer, error) {
	if read, ok := polled[q.Kind]; ok {
		return s.look(ctx, read, q, after, hold)
	}
	read, ok := readers[q.Kind]
	if q.Kind == watch.KindServices {
		read, ok = s.lists.read, true
	}
	if !ok {
		return watch.Answer{}, fmt.Errorf("no such kind of query: %s", q.Kind)
	}
	value, meta, err := s.wait(ctx, read, q, after, s.hold(q, hold))
	if err == nil && s.lags(meta.LastContact) {
		// The leader's answer is due now: the wait is over already.
		value, meta, err = s.read(ctx, read, q, 0, 0, false)
	}
	if err != nil {
		return watch.Answer{}, s.failure(ctx, q, err)
	}
	if s.learn(q, value, meta.LastIndex) {
		// It is older than what a sentinel has seen already.
		if value, meta, err = s.read(ctx, read, q, 0, 0, s.maxStale > 0); err != nil {
			return watch.Answer{}, s.failure(ctx, q, err)
		}
		s.learn(q, value, meta.LastIndex)
	}
	doubt, err := s.doubt(ctx, read, q, value, meta)
	if err != nil { // an empty answer that is not certain is none
		return watch.Answer{}, s.failure(ctx, q, err)
	}
	return watch.Answer{Value: value, Version: meta.LastIndex, Indexed: true, Doubt: doubt}, nil
}

// lags tells whether a server has heard of its leader too long ago for its answer to count.
func (s *Source) lags(contact time.Duration) bool { return s.maxStale > 0 && contact > s.maxStale }

// read asks once, and waits for the answer as long as an agent may take.
func (s *Source) read(ctx context.Context, read reader, q watch.Query, after uint64, hold time.Duration, stale bool) (any, *api.QueryMeta, error) {
	opts := options(q)
	opts.AllowStale = stale
	limit := s.silence
	if err := s.admit(ctx); err != nil {
		return nil, nil, err
	}
	if after > 0 {
		opts.WaitIndex, opts.WaitTime = after, hold
		limit += hold + hold/16
	} else {
		done, err := s.turn(ctx)
		if err != nil {
			return nil, nil, err
		}
		defer done()
	}
	var value any
	var meta *api.QueryMeta
	err := within(ctx, limit, func(ctx context.Context) (err error) {
		value, meta, err = read(s.client, q, opts.WithContext(ctx))
		return err
	})
	s.intern.value(value)
	return value, meta, err
}

func options(q watch.Query) *api.QueryOptions {
	return &api.QueryOptions{
		Datacenter:    q.Param("dc"),
		Near:          q.Param("near"),
		Namespace:     q.Param("ns"),
		Partition:     q.Param("partition"),
		Peer:          q.Param("peer"),
		SamenessGroup: q.Param("sameness-group"),
	}
}

// reader asks for one kind of query. A nil value says that there is nothing.
type reader func(*api.Client, watch.Query, *api.QueryOptions) (any, *api.QueryMeta, error)

var readers = map[string]reader{
	watch.KindService:  readService,
	watch.KindNodes:    readNodes,
	watch.KindNode:     readNode,
	watch.KindKey:      readKey,
	watch.KindLookup:   readLookup,
	watch.KindPrefix:   readPrefix,
	watch.KindConnect:  readConnect,
	watch.KindRoots:    readRoots,
	watch.KindLeaf:     readLeaf,
	watch.KindPeerings: readPeerings,
	watch.KindExported: readExported,
	watch.KindImported: readImported,
}

func readService(c *api.Client, q watch.Query, opts *api.QueryOptions) (any, *api.QueryMeta, error) {
	entries, meta, err := c.Health().Service(q.Name, q.Param("tag"), q.PassingOnly(), opts)
	if err != nil {
		return nil, nil, err
	}
	return instances(entries, q), meta, nil
}

// instances gives those of the entries that the query asks for.
func instances(entries []*api.ServiceEntry, q watch.Query) []*watch.ServiceInstance {
	list := make([]*watch.ServiceInstance, 0, len(entries))
	for _, e := range entries {
		if i := instance(e); q.Accepts(i.Status) {
			list = append(list, i)
		}
	}
	if q.Param("near") == "" {
		watch.SortInstances(list)
	}
	return list
}

func instance(e *api.ServiceEntry) *watch.ServiceInstance {
	i := &watch.ServiceInstance{
		ID:                     e.Service.ID,
		Name:                   e.Service.Service,
		Kind:                   string(e.Service.Kind),
		Address:                e.Service.Address,
		Port:                   e.Service.Port,
		Tags:                   watch.SortTags(e.Service.Tags),
		ServiceMeta:            filled(e.Service.Meta),
		ServiceTaggedAddresses: filled(e.Service.TaggedAddresses),
		Weights:                e.Service.Weights,
		Namespace:              e.Service.Namespace,
		Partition:              e.Service.Partition,
		Node:                   e.Node.Node,
		NodeID:                 e.Node.ID,
		NodeAddress:            e.Node.Address,
		NodeDatacenter:         e.Node.Datacenter,
		NodeMeta:               filled(e.Node.Meta),
		NodeTaggedAddresses:    filled(e.Node.TaggedAddresses),
		Checks:                 e.Checks,
		Status:                 e.Checks.AggregatedStatus(),
		CreateIndex:            e.Service.CreateIndex,
	}
	if i.Address == "" {
		i.Address = e.Node.Address
	}
	return i
}

// filled gives nil for an empty map. Consul writes {} or null for the same data,
// depending on which of its parts answers, and that is no change.
func filled[V any](m map[string]V) map[string]V {
	if len(m) == 0 {
		return nil
	}
	return m
}

func readNodes(c *api.Client, _ watch.Query, opts *api.QueryOptions) (any, *api.QueryMeta, error) {
	nodes, meta, err := c.Catalog().Nodes(opts)
	if err != nil {
		return nil, nil, err
	}
	list := make([]*watch.Node, 0, len(nodes))
	for _, n := range nodes {
		list = append(list, node(n))
	}
	if opts.Near == "" {
		watch.SortNodes(list)
	}
	return list, meta, nil
}

func node(n *api.Node) *watch.Node {
	return &watch.Node{
		ID: n.ID, Node: n.Node, Address: n.Address, Datacenter: n.Datacenter,
		TaggedAddresses: filled(n.TaggedAddresses), Meta: filled(n.Meta),
	}
}

func readNode(c *api.Client, q watch.Query, opts *api.QueryOptions) (any, *api.QueryMeta, error) {
	name := q.Name
	if name == "" {
		own, err := agentNode(c, opts)
		if err != nil {
			return nil, nil, err
		}
		name = own
	}
	found, meta, err := c.Catalog().Node(name, opts)
	if err != nil {
		return nil, nil, err
	}
	if found == nil {
		return &watch.NodeDetail{}, meta, nil
	}
	detail := &watch.NodeDetail{Node: node(found.Node), Services: make([]*watch.NodeService, 0, len(found.Services))}
	for _, s := range found.Services {
		detail.Services = append(detail.Services, &watch.NodeService{
			ID: s.ID, Service: s.Service, Tags: watch.SortTags(s.Tags), Meta: filled(s.Meta),
			Port: s.Port, Address: s.Address, EnableTagOverride: s.EnableTagOverride,
		})
	}
	watch.SortNodeServices(detail.Services)
	return detail, meta, nil
}

// agentNode gives the name of the agent's own node.
func agentNode(c *api.Client, opts *api.QueryOptions) (string, error) {
	var self struct {
		Config struct{ NodeName string }
	}
	_, err := c.Raw().Query("/v1/agent/self", &self, (&api.QueryOptions{}).WithContext(opts.Context()))
	return self.Config.NodeName, err
}

func readKey(c *api.Client, q watch.Query, opts *api.QueryOptions) (any, *api.QueryMeta, error) {
	pair, meta, err := c.KV().Get(q.Name, opts)
	if err != nil || pair == nil {
		return nil, meta, err
	}
	return string(pair.Value), meta, nil
}

func readLookup(c *api.Client, q watch.Query, opts *api.QueryOptions) (any, *api.QueryMeta, error) {
	pair, meta, err := c.KV().Get(q.Name, opts)
	if err != nil {
		return nil, nil, err
	}
	if pair == nil {
		return watch.Lookup{}, meta, nil
	}
	return watch.Lookup{Found: true, Value: string(pair.Value)}, meta, nil
}

func readPrefix(c *api.Client, q watch.Query, opts *api.QueryOptions) (any, *api.QueryMeta, error) {
	pairs, meta, err := c.KV().List(q.Name, opts)
	if err != nil {
		return nil, nil, err
	}
	list := make([]*watch.KeyPair, 0, len(pairs))
	for _, p := range pairs {
		list = append(list, &watch.KeyPair{
			Path: p.Key, Key: watch.RelativeKey(p.Key, q.Name), Value: string(p.Value),
			CreateIndex: p.CreateIndex, ModifyIndex: p.ModifyIndex, LockIndex: p.LockIndex,
			Flags: p.Flags, Session: p.Session,
		})
	}
	return list, meta, nil
}
