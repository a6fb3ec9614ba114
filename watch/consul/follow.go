package consul

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/watch"
)

const (
	// sentinelHold is how long a sentinel's blocking query waits, if the budget is good for that.
	sentinelHold = time.Minute
	// patience is how often in a row a sentinel fails before it gives up.
	patience = 3
	// sentinelPause is the pause after an answer that came at once with nothing new, and
	// the longest after a failure.
	sentinelPause = time.Second
	// leastPause bounds how often it asks when there is something new all the time.
	leastPause = 20 * time.Millisecond
)

// asking is one question of a sentinel.
type asking func(*api.QueryOptions) (*api.QueryMeta, error)

// once asks a question that waits for an index beyond one; after 0 it does not wait.
type once func(ctx context.Context, after uint64) (index uint64, err error)

// errLags says that a sentinel does not see what happens.
var errLags = errors.New("the answering server is more than max_stale behind its leader")

// follow asks the same question again and again, each time for what is newer than the
// answer before. heed gets each index; it ends with the error of either.
func (sc *scope) follow(ctx context.Context, ask once, heed func(index uint64) error) error {
	for after := uint64(0); ; {
		start, index := time.Now(), uint64(0)
		err := patiently(ctx, func() (err error) {
			if index, err = ask(ctx, after); err != nil {
				after = 0 // it may be another Consul by then, with a lower index
			}
			return err
		})
		if err == nil {
			err = heed(index)
		}
		if err != nil {
			return err
		}
		pause := leastPause
		if index == after && time.Since(start) < leastHold/2 {
			pause = sentinelPause
		}
		if rest := time.Until(start.Add(pause)); rest > 0 {
			sleep(ctx, rest)
		}
		after = index
	}
}

// patiently does what may fail by bad luck, such as in a change of leader.
func patiently(ctx context.Context, do func() error) error {
	for failures := 0; ; {
		start := time.Now()
		err := do()
		if err == nil || ctx.Err() != nil {
			return err
		}
		if time.Since(start) > sentinelHold/4 { // cut off while it waited, as some proxies do
			failures = 0
		}
		if failures++; failures >= patience || errors.Is(err, watch.ErrUnreachable) || errors.Is(err, watch.ErrRefused) || errors.Is(err, errAnew) {
			return err
		}
		sleep(ctx, rand.N(sentinelPause))
	}
}

// asks is a question that the client of the API asks.
func (sc *scope) asks(ask asking) once {
	return func(ctx context.Context, after uint64) (uint64, error) { return sc.once(ctx, after, ask) }
}

// once asks once. after 0 does not wait.
func (sc *scope) once(ctx context.Context, after uint64, ask asking) (index uint64, err error) {
	s := sc.src
	if err := s.admit(ctx); err != nil {
		return 0, err
	}
	hold, limit := sc.wait(after)
	timed, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	opts := &api.QueryOptions{Datacenter: sc.key.dc, Namespace: sc.key.ns, Partition: sc.key.partition, AllowStale: s.maxStale > 0}
	opts.WaitIndex, opts.WaitTime = after, hold
	meta, err := ask(opts.WithContext(timed))
	switch {
	case err != nil:
		return 0, s.explain(ctx, err)
	case s.lags(meta.LastContact):
		return 0, errLags
	}
	return meta.LastIndex, nil
}

// wait is how long a question waits for what is newer, and how long it may take then. Consul adds some to the first.
// At the start that is a short time: an agent that allows few connections refuses some then, the sentinel gives up, and
// what it has asked keeps its place at the agent.
func (sc *scope) wait(after uint64) (hold, limit time.Duration) {
	if after == 0 {
		return 0, sc.src.silence
	}
	hold = sc.src.hold(watch.Query{Kind: watch.KindServices}, sentinelHold)
	return hold, hold + hold/16 + sc.src.silence
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// checkKey names a check.
type checkKey struct{ node, id string }

// checkState is what is known of a check.
type checkState struct {
	service string // "" for a check of the node
	index   uint64
}

// statuses are those whose checks are listed. Whatever else happens to a check wakes those
// who wait for such a list, but does not show in it.
var statuses = [2]string{api.HealthCritical, api.HealthWarning}

// followChecks notices which checks become and cease to be critical, or warnings.
func (sc *scope) followChecks(ctx context.Context, prober *prober, which int, tell func(watch.Notice), started func()) error {
	var list api.HealthChecks
	ask := func(opts *api.QueryOptions) (meta *api.QueryMeta, err error) {
		list, meta, err = sc.src.client.Health().State(statuses[which], opts)
		return meta, err
	}
	return sc.follow(ctx, sc.asks(ask), func(index uint64) error {
		notice, nodes := sc.checked(which, list, index)
		tell(notice)
		if err := sc.listAll(ctx, prober, nodes, tell); err != nil {
			return err
		}
		started()
		return nil
	})
}

// checked compares a list of checks with the one before. nodes are those of which a check
// of their own has changed, which counts for all of their services.
func (sc *scope) checked(which int, list api.HealthChecks, index uint64) (notice watch.Notice, nodes []string) {
	now := make(map[checkKey]checkState, len(list))
	for _, c := range list {
		now[checkKey{c.Node, c.CheckID}] = checkState{c.ServiceName, c.ModifyIndex}
	}
	sc.mu.Lock()
	defer sc.mu.Unlock()
	found, hit := sc.collect(), map[string]bool{}
	change := func(key checkKey, state checkState) {
		if found.service(state.service); state.service == "" {
			hit[key.node] = true
		}
	}
	was := sc.checks[which]
	for key, state := range now {
		if was != nil && was[key] != state {
			change(key, state)
		}
	}
	for key, state := range was {
		if _, still := now[key]; !still {
			change(key, state)
		}
	}
	if sc.checks[which] = now; index != sc.checksAt[which] { // else just the wait is over
		sc.checksAt[which], sc.restless = index, true
	}
	if len(found.set)+len(hit) > 0 {
		sc.find(index)
	}
	for node := range hit {
		nodes = append(nodes, node)
	}
	return found.notice(), nodes
}

// nodeList is what counts of the services of a node, which may be many.
type nodeList struct {
	Node     *struct{ ModifyIndex uint64 } // nil when it is gone
	Services []struct {
		ID, Service string
		Tags        []string
		ModifyIndex uint64
	}
}

// listAll reads the services of nodes, all of which may have changed.
func (sc *scope) listAll(ctx context.Context, prober *prober, nodes []string, tell func(watch.Notice)) error {
	for _, node := range nodes {
		err := prober.over(ctx, func(c *probing) error { return sc.list(ctx, prober, c, node, true, tell) })
		if err != nil {
			return err
		}
	}
	return nil
}

// list reads the services of a node, and tells what may have changed there.
func (sc *scope) list(ctx context.Context, prober *prober, c *probing, node string, everything bool, tell func(watch.Notice)) error {
	var list nodeList
	path := servicesOf(node) + sc.query(nil)
	err := patiently(ctx, func() error {
		list = nodeList{}
		_, err := prober.question(ctx, c, path, sc.src.silence, &c.body)
		if err == nil {
			if err = json.Unmarshal(c.body.Bytes(), &list); err != nil {
				err = badAnswer(err)
			}
		}
		return err
	})
	if err == nil {
		tell(sc.listed(node, list, everything))
	}
	return err
}

// followNodes notices nodes that come, change and leave.
func (sc *scope) followNodes(ctx context.Context, prober *prober, tell func(watch.Notice), moved func(), started func()) error {
	var list []*api.Node
	ask := func(opts *api.QueryOptions) (meta *api.QueryMeta, err error) {
		list, meta, err = sc.src.client.Catalog().Nodes(opts)
		return meta, err
	}
	return sc.follow(ctx, sc.asks(ask), func(index uint64) error {
		notice, changed := sc.haveNodes(list, index)
		tell(notice)
		if err := sc.listAll(ctx, prober, changed, tell); err != nil {
			return err
		}
		started()
		moved()
		return nil
	})
}

// haveNodes compares the list of nodes with the one before. changed are those that are not
// what they were, or gone.
func (sc *scope) haveNodes(list []*api.Node, index uint64) (notice watch.Notice, changed []string) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	found, first := sc.collect(), sc.nodesAt == 0
	if index != sc.nodesAt {
		found.queries(sc.lists[listNodes])
	}
	sc.nodesAt = index
	now := make(map[string]bool, len(list))
	for _, node := range list {
		now[node.Node] = true
		n := sc.node(node.Node)
		if n.meta, n.group = node.Meta, node.Meta[sc.groups.key]; n.modified != node.ModifyIndex {
			if !first {
				changed = append(changed, node.Node)
			}
			n.modified = node.ModifyIndex
		}
	}
	for name, n := range sc.nodes {
		if now[name] {
			continue
		}
		for _, was := range n.instances {
			found.service(was.service)
			found.queries(sc.lists[listServices])
		}
		found.queries(sc.details[name])
		delete(sc.nodes, name)
	}
	if first && sc.mayGroup {
		key, _ := sc.parting()
		sc.parted = key != ""
	}
	return found.notice(), changed
}
