package consul

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/hashicorp/consul/api"
)

const (
	// pollGap is how often it is looked whether something has changed, while it does.
	pollGap = 25 * time.Millisecond
	// groupPollGap is the same where groups of nodes show most changes as they happen.
	groupPollGap = 100 * time.Millisecond
	// calm is for how long nothing changes until that is waited for instead.
	calm = 10 * time.Second
	// confirmations is how often an index has to be lower than before until it is believed.
	confirmations = 8
)

// followTable notices that something has changed in the services or nodes: by waiting for that,
// and while there are changes by a small question now and then, since the answer to the other
// is long. It has moved called for each change.
func (sc *scope) followTable(ctx context.Context, prober *prober, moved, started func()) error {
	pollable, err := sc.pollable(ctx, prober)
	if err != nil {
		return err
	}
	sc.mu.Lock()
	sc.polled = pollable
	sc.mu.Unlock()
	index, last := uint64(0), time.Now()
	for {
		if table := sc.tableIndex(); table != index { // by a group
			index, last = table, time.Now()
		}
		next, after := uint64(0), index
		start, polls := time.Now(), pollable && time.Since(last) < calm
		err := patiently(ctx, func() (err error) {
			if polls {
				next, err = sc.poll(ctx, prober)
			} else {
				next, err = sc.waitForChange(ctx, after)
			}
			for tries := 0; err == nil && next < index && pollable && tries < confirmations; tries++ {
				sleep(ctx, pollGap*time.Duration(tries)) // it may be that of services alone, or of a server that is behind
				next, err = sc.poll(ctx, prober)
			}
			if err != nil {
				after = 0
			}
			return err
		})
		if err != nil {
			return err
		}
		if next != index {
			last = time.Now()
			if err := sc.movedTo(next, index); err != nil {
				return err
			}
			moved()
		}
		started()
		pause := sc.pollGap()
		if next == index && !polls && time.Since(start) < leastHold/2 { // something in between does not wait
			pause = sentinelPause
		}
		index = next
		for ; pause > 0 && ctx.Err() == nil; pause = sc.untilPoll(time.Now()) {
			sleep(ctx, pause)
		}
	}
}

// untilPoll is how long it is not looked whether something has changed: a lap that seeks it would not begin
// sooner, or a group has just shown that something has. It has told the index then, and what changed elsewhere
// before leaves a gap.
func (sc *scope) untilPoll(now time.Time) time.Duration {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	if sc.groups.key == "" {
		return sc.restUntil.Sub(now)
	}
	return sc.movedAt.Add(groupPollGap).Sub(now)
}

// pollable tells whether the index of an answer with nothing in it moves with all services
// and nodes. That is not documented, so it is compared with the index of the nodes.
func (sc *scope) pollable(ctx context.Context, prober *prober) (bool, error) {
	var nodes, polled uint64
	err := patiently(ctx, func() (err error) {
		nodes, err = sc.once(ctx, 0, func(opts *api.QueryOptions) (*api.QueryMeta, error) {
			opts.Filter = `Node==""`
			_, meta, err := sc.src.client.Catalog().Nodes(opts)
			return meta, err
		})
		if err == nil {
			polled, err = sc.poll(ctx, prober)
		}
		return err
	})
	return polled >= nodes, err
}

// errAnew ends a Watch when the state of Consul began anew: nothing that is known counts.
var errAnew = errors.New("the state of Consul began anew")

// pollGap is how often it is looked now whether something has changed.
func (sc *scope) pollGap() time.Duration {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	if sc.groups.key != "" {
		return groupPollGap
	}
	return pollGap
}

// tableIndex is the index of the services and nodes, as far as it is known.
func (sc *scope) tableIndex() uint64 {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	return sc.table
}

// movedTo notes the index of the services and nodes, which was another one before. A group of nodes may
// have shown it, or a later one, meanwhile.
func (sc *scope) movedTo(index, before uint64) error {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	if before <= index && index <= sc.table {
		return nil
	}
	sc.restless = true
	return sc.move(index, time.Now())
}

// poll gives the index of services and nodes.
func (sc *scope) poll(ctx context.Context, prober *prober) (index uint64, err error) {
	path := "catalog/services" + sc.query(url.Values{"node-meta": {"ctmpl-none:none"}})
	err = prober.probe(ctx, probes{kind: ofTable, few: true, take: inTurn([]string{""}), path: func(string) string { return path }, tell: func(_ string, at uint64) bool { index = at; return false }})
	return index, err
}

func (sc *scope) query(more url.Values) string {
	return sc.src.target.query(sc.key, sc.src.maxStale > 0, more)
}

// waitForChange waits for a change of services.
func (sc *scope) waitForChange(ctx context.Context, after uint64) (uint64, error) {
	return sc.once(ctx, after, func(opts *api.QueryOptions) (*api.QueryMeta, error) {
		_, meta, err := sc.src.client.Catalog().Services(opts)
		return meta, err
	})
}
