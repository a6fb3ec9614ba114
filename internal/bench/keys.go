package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"

	"github.com/hashicorp/consul/api"
)

// keysPlan are the numbers of keys: of those that are asked for one by one, and of a tree.
type keysPlan struct{ single, tree int }

// prefixes is how many folders all keys lie in.
const prefixes = 50

// keyStore is what is in the KV store of one Consul, and changes it. Methods are for any number of
// goroutines.
type keyStore struct {
	client *api.Client
	n      int
	text   string // of the template

	mu     sync.Mutex
	random *rand.Rand
	made   int // values given out
}

func newKeyStore(client *api.Client, n int, text string) *keyStore {
	return &keyStore{client: client, n: n, text: text, random: rand.New(rand.NewPCG(1, 2))}
}

func (k *keyStore) template() string { return k.text }

func (k *keyStore) lines() int { return k.n }

// seed writes all keys. Values look like ports, so that arrivals knows them.
func (k *keyStore) seed() error {
	var ops api.TxnOps
	for i := range k.n {
		ops = append(ops, &api.TxnOp{KV: &api.KVTxnOp{Verb: api.KVSet, Key: keyName(i), Value: fmt.Append(nil, 1+i%firstPort)}})
	}
	return transact(k.client, ops)
}

func keyName(i int) string { return fmt.Sprintf("app/%d/%d", i%prefixes, i) }

// change gives a random key a value that was not used before.
func (k *keyStore) change(_ int, tell func(key string, value int)) error {
	k.mu.Lock()
	k.made++
	i, value := k.random.IntN(k.n), firstPort+k.made
	k.mu.Unlock()
	tell(keyName(i), value)
	_, err := k.client.KV().Put(&api.KVPair{Key: keyName(i), Value: fmt.Append(nil, value)}, nil)
	return err
}

// run measures both programs with both kinds of template, as scale does.
func (p keysPlan) run(ctx context.Context, dir string, programs programs, plan scalePlan) error {
	plan.full = false
	t := &table{what: fmt.Sprintf("keys in %d folders, %d changes at %g/s", prefixes, plan.changes, plan.rate), columns: []string{""}}
	for _, kind := range []struct {
		name, text string
		n          int
	}{
		{"%d calls of `key`", fmt.Sprintf("{{range loop %d}}  server k{{.}}:{{key (printf \"app/%%d/%%d\" (modulo %d .) .)}};\n{{end}}", p.single, prefixes), p.single},
		{"a `tree` of %d", "{{range tree \"app\"}}  server {{.Key}}:{{.Value}};\n{{end}}", p.tree},
	} {
		name := fmt.Sprintf(kind.name, kind.n)
		c, err := plan.keys(ctx, dir, programs, func(client *api.Client) content { return newKeyStore(client, kind.n, kind.text) })
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		t.columns = append(t.columns, name+": "+peerName, "ctmpl", "ratio")
		for i, r := range c.keyRows() {
			if len(t.rows) <= i {
				t.row(r.name)
			}
			t.rows[i] = append(t.rows[i], r.peer, r.own, r.ratio)
		}
	}
	t.print(os.Stdout)
	return nil
}

// keys measures both programs, each with an agent of its own.
func (p scalePlan) keys(ctx context.Context, dir string, programs programs, fill func(*api.Client) content) (c compared, err error) {
	if c.peer, err = startWith(ctx, peerName, programs.peer, dir, raised, fill); err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, c.peer.agent.Stop()) }()
	if c.own, err = startWith(ctx, "ctmpl", programs.own, dir, "", fill); err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, c.own.agent.Stop()) }()
	for range p.rounds {
		for _, s := range []*side{c.peer, c.own} {
			if err := p.round(ctx, s); err != nil {
				return c, fmt.Errorf("%s: %w", s.name, err)
			}
		}
	}
	return c, nil
}
