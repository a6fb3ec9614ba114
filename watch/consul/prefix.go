package consul

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/watch"
)

const (
	// leastKeys is the number of wanted keys for which a prefix is worth a connection.
	leastKeys = 8
	// mostPrefixes bounds the connections for prefixes of a scope.
	mostPrefixes = 8
	// mostOthers and fewOthers bound the keys below a prefix that nobody wants: by a
	// multiple of those that are wanted, and by a number.
	mostOthers, fewOthers = 4, 1000
)

// choosePrefixes finds the prefixes under which many of the wanted keys are, and few others:
// one list of these is cheaper than a question for each.
func (sc *scope) choosePrefixes(ctx context.Context) ([]string, error) {
	sc.mu.Lock()
	names := make([]string, 0, len(sc.keys))
	for name := range sc.keys {
		names = append(names, name)
	}
	sc.mu.Unlock()
	slices.Sort(names)
	chosen, err := sc.prefixesFor(ctx, "", names)
	slices.SortFunc(chosen, func(a, b choice) int { return cmp.Compare(b.keys, a.keys) })
	var prefixes []string
	for _, c := range chosen[:min(len(chosen), mostPrefixes)] {
		prefixes = append(prefixes, c.prefix)
	}
	sc.mu.Lock()
	sc.prefixes = prefixes
	sc.mu.Unlock()
	return prefixes, err
}

// choice is a prefix with the number of wanted keys below.
type choice struct {
	prefix string
	keys   int
}

// prefixesFor finds those for the sorted names of keys below a directory.
func (sc *scope) prefixesFor(ctx context.Context, dir string, names []string) (all []choice, err error) {
	for len(names) > 0 && err == nil {
		part, _, below := strings.Cut(names[0][len(dir):], "/")
		child := dir + part + "/"
		n := 1
		for below && n < len(names) && strings.HasPrefix(names[n], child) {
			n++
		}
		var found []choice
		if below && n >= leastKeys {
			found, err = sc.prefixFor(ctx, child, names[:n])
		}
		all, names = append(all, found...), names[n:]
	}
	return all, err
}

// prefixFor gives the directory that all these names are in, or what is better below it.
func (sc *scope) prefixFor(ctx context.Context, dir string, names []string) ([]choice, error) {
	first, last := names[0], names[len(names)-1]
	for i := len(dir); i < min(len(first), len(last)) && first[i] == last[i]; i++ {
		if first[i] == '/' {
			dir = first[:i+1]
		}
	}
	keys, err := sc.countKeys(ctx, dir)
	switch {
	case err != nil:
		return nil, err
	case keys < 0:
		return nil, nil
	case keys <= mostOthers*len(names)+fewOthers:
		return []choice{{dir, len(names)}}, nil
	}
	return sc.prefixesFor(ctx, dir, names)
}

// countKeys gives the number of keys below a prefix, -1 when they may not be listed.
func (sc *scope) countKeys(ctx context.Context, prefix string) (n int, err error) {
	err = patiently(ctx, func() error {
		_, err := sc.once(ctx, 0, func(opts *api.QueryOptions) (*api.QueryMeta, error) {
			keys, meta, err := sc.src.client.KV().Keys(prefix, "", opts)
			n = len(keys)
			var status api.StatusError
			if errors.As(err, &status) && status.Code == http.StatusForbidden {
				n, meta, err = -1, &api.QueryMeta{}, nil
			}
			return meta, err
		})
		return err
	})
	return n, err
}

// prefixOf gives the prefix by which a key is looked after, "" for none.
func (sc *scope) prefixOf(name string) string {
	i := slices.IndexFunc(sc.prefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
	if i < 0 {
		return ""
	}
	return sc.prefixes[i]
}

// listing is what is known of the keys below a prefix.
type listing struct {
	index uint64            // of the last list
	keys  map[string]uint64 // when each was modified: in that list, or in an answer since
}

// prefixHold is how long the list of a prefix is waited for: when a directory above it is deleted
// Consul (v1.20) does not notice that it has changed.
const prefixHold = 10 * time.Second

// followPrefix notices which keys below a prefix change.
func (sc *scope) followPrefix(ctx context.Context, prefix string, tell func(watch.Notice), started func()) error {
	var list api.KVPairs
	ask := func(opts *api.QueryOptions) (meta *api.QueryMeta, err error) {
		opts.WaitTime = min(opts.WaitTime, prefixHold)
		list, meta, err = sc.src.client.KV().List(prefix, opts)
		return meta, err
	}
	return sc.follow(ctx, sc.asks(ask), func(index uint64) error {
		now := make(map[string]uint64, len(list))
		for _, pair := range list {
			now[pair.Key] = pair.ModifyIndex
		}
		tell(sc.keysListed(prefix, &listing{index, now}))
		started()
		return nil
	})
}

// keysListed finds the queries for keys that came, changed or went.
func (sc *scope) keysListed(prefix string, now *listing) watch.Notice {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	found, before := sc.collect(), sc.listings[prefix]
	if sc.listings[prefix] = now; before == nil {
		return found.notice()
	}
	for name, index := range now.keys {
		if before.keys[name] != index {
			found.queries(sc.keys[name])
		}
	}
	for name := range before.keys {
		if _, still := now.keys[name]; !still {
			found.queries(sc.keys[name])
		}
	}
	return found.notice()
}

// learnKey takes in the answer to a query for a key. It may come between two lists: a key that comes
// and goes there is in neither of them. An answer without the key has nothing that could go.
func (sc *scope) learnKey(name string, value any, index uint64) (old bool) {
	l := sc.listings[sc.prefixOf(name)]
	if lookup, ok := value.(watch.Lookup); value == nil || ok && !lookup.Found || l == nil {
		return false
	}
	if index > l.index {
		l.keys[name] = index
		return false
	}
	return l.keys[name] != index
}
