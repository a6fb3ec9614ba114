package consul

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/ctmpl/ctmpl/watch"
)

// mostScopes bounds the datacenters, namespaces and partitions that are looked after: each
// takes some connections.
const mostScopes = 3

// perScope is the number of connections that a scope takes beside the probers: for its
// nodes, its services, and two kinds of checks.
const perScope = 4

// scopeKey is a part of the catalog that has indexes of its own.
type scopeKey struct{ dc, ns, partition string }

// scopeOf gives the scope of a query; ok is false for those whose changes are not noticed.
func scopeOf(q watch.Query) (key scopeKey, ok bool) {
	switch q.Kind {
	case watch.KindService:
		ok = q.Param("peer") == "" && q.Param("sameness-group") == ""
	case watch.KindServices, watch.KindNodes:
		ok = true
	case watch.KindNode:
		ok = q.Name != "" // else it is the agent's own, whatever that is called
	case watch.KindKey, watch.KindLookup:
		ok = strings.Contains(q.Name, "/")
	}
	if !ok {
		return scopeKey{}, false
	}
	return scopeKey{q.Param("dc"), q.Param("ns"), q.Param("partition")}, true
}

// sentinels look after the catalog.
type sentinels struct {
	mu     sync.Mutex
	scopes map[scopeKey]*scope
	end    func() // of the last call of Watch
}

var _ watch.Sentinel = (*Source)(nil)

// Covers implements watch.Sentinel.
func (s *Source) Covers(q watch.Query) bool {
	scope := s.scopeFor(q)
	return scope != nil && scope.covers(q)
}

// Cover implements watch.Sentinel. Watch ends when something comes to it that it is not
// set up for.
func (s *Source) Cover(wanted watch.Set) (connections, covered int) {
	parts := map[scopeKey]watch.Set{}
	for q := range wanted {
		key, ok := scopeOf(q)
		if !ok || s.proxied {
			continue
		}
		if parts[key] == nil {
			parts[key] = watch.Set{}
		}
		parts[key].Add(q)
	}
	s.sentinels.mu.Lock()
	defer s.sentinels.mu.Unlock()
	s.sentinels.choose(s, parts)
	mayGroup := len(s.sentinels.scopes) == 1 && s.transport.budget.queries() >= watch.MostWatching
	for key, scope := range s.sentinels.scopes {
		connections += scope.cover(parts[key], mayGroup)
		covered += len(parts[key])
		if s.sentinels.end != nil && scope.outgrown() {
			s.sentinels.end()
		}
	}
	if connections > 0 {
		connections += probers
	}
	return connections, covered
}

// choose makes the scopes, those with the most queries first, in the places of those that have
// none any more.
func (t *sentinels) choose(s *Source, parts map[scopeKey]watch.Set) {
	if t.scopes == nil {
		t.scopes = map[scopeKey]*scope{}
	}
	bySize := slices.SortedFunc(maps.Keys(parts), func(a, b scopeKey) int { return cmp.Compare(len(parts[b]), len(parts[a])) })
	for _, key := range bySize {
		if t.scopes[key] != nil {
			continue
		}
		if len(t.scopes) == mostScopes {
			maps.DeleteFunc(t.scopes, func(key scopeKey, _ *scope) bool { return parts[key] == nil })
		}
		if len(t.scopes) < mostScopes {
			t.scopes[key] = newScope(s, key)
		}
	}
}

// begin gives the scopes that have something to look after. end is called when there
// come more.
func (s *Source) begin(end func()) []*scope {
	s.sentinels.mu.Lock()
	defer s.sentinels.mu.Unlock()
	var all []*scope
	s.sentinels.end = end
	for _, scope := range s.sentinels.scopes {
		if scope.begin() {
			all = append(all, scope)
		}
	}
	return all
}

// scopeFor gives the scope of a query, nil when it has none.
func (s *Source) scopeFor(q watch.Query) *scope {
	key, ok := scopeOf(q)
	if !ok {
		return nil
	}
	s.sentinels.mu.Lock()
	defer s.sentinels.mu.Unlock()
	return s.sentinels.scopes[key]
}

// learn takes in an answer that a sentinel looks after, and tells whether it is older than what
// the sentinel knows.
func (s *Source) learn(q watch.Query, value any, index uint64) (old bool) {
	scope := s.scopeFor(q)
	return scope != nil && scope.learn(q, value, index)
}

// Noticed implements watch.Sentinel.
func (s *Source) Noticed(q watch.Query) uint64 {
	if scope := s.scopeFor(q); scope != nil {
		return scope.patrolled()
	}
	return 0
}

// Watch implements watch.Sentinel.
func (s *Source) Watch(ctx context.Context, tell func(watch.Notice)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	s.transport.watch(true)
	defer s.transport.watch(false)
	prober := newProber(s)
	say := func(n watch.Notice) {
		if len(n.Stale) > 0 {
			tell(n)
		}
	}
	var group, begun sync.WaitGroup
	defer func() {
		cancel(nil)
		group.Wait()
		prober.close()
	}()
	for _, scope := range s.begin(func() { cancel(nil) }) {
		begun.Add(1)
		group.Go(func() {
			started := sync.OnceFunc(begun.Done)
			defer started()
			if err := scope.watch(ctx, prober, say, started); err != nil {
				cancel(err)
			}
		})
	}
	if begun.Wait(); ctx.Err() == nil {
		tell(watch.Notice{Ready: true})
	}
	<-ctx.Done()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, errAnew) {
		return err
	}
	return nil // to be called again, when ctx has not ended
}
