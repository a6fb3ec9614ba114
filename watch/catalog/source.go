// Package catalog answers queries from a catalog file, in place of a Consul agent:
// for a first try, for writing templates and for demonstrations.
//
// What it guarantees:
//
//   - A file, or the files of a directory, hold service definitions as a Consul
//     agent reads them, in HCL or JSON, with nodes and keys beside them.
//   - It answers each query as Consul would with the same data: the same fields, the
//     same order, the same filters, and blocking until something changes.
//   - Checks are not run: a check has the status that the file gives it.
//   - A file with an error changes nothing: the last good catalog stays.
package catalog

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ctmpl/ctmpl/watch"
)

// Source is a watch.Source backed by catalog files.
type Source struct {
	path string

	mu      sync.Mutex
	state   *state
	changed chan struct{} // closed when state is replaced
}

// Open reads the catalog at path, a file or a directory.
func Open(path string) (*Source, error) {
	s := &Source{path: path, state: &state{}, changed: make(chan struct{})}
	if err := s.Load(); err != nil {
		return nil, err
	}
	return s, nil
}

// Load reads the files again. With an error the catalog stays as it was.
func (s *Source) Load() error {
	defs, err := read(s.path)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	next, err := defs.build(s.state)
	if err != nil {
		return err
	}
	s.state = next
	close(s.changed)
	s.changed = make(chan struct{})
	return nil
}

func (s *Source) current() (*state, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state, s.changed
}

// Fetch implements watch.Source.
func (s *Source) Fetch(ctx context.Context, q watch.Query, after uint64, hold time.Duration) (watch.Answer, error) {
	st, changed := s.current()
	if after >= st.version {
		timer := time.NewTimer(hold)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return watch.Answer{}, ctx.Err()
		case <-changed:
			st, _ = s.current()
		case <-timer.C:
		}
	}
	if err := st.refuse(q); err != nil {
		return watch.Answer{}, err
	}
	answer, ok := answers[q.Kind]
	if !ok {
		return watch.Answer{}, fmt.Errorf("no such kind of query: %s", q.Kind)
	}
	return watch.Answer{Value: answer(st, q), Version: st.version}, nil
}

// refuse gives the error for a query that nothing can stand in for, or that an agent
// refuses: on other datacenters, with what only Consul Enterprise has, and for a key
// without a name.
func (s *state) refuse(q watch.Query) error {
	switch q.Kind {
	case watch.KindRoots, watch.KindLeaf:
		return errors.New("a catalog has no certificates: that needs a real Consul")
	case watch.KindPartitions:
		return errors.New("the catalog has no partitions: they are part of Consul Enterprise")
	}
	if dc := q.Param("dc"); dc != "" && dc != s.datacenter {
		return fmt.Errorf("no path to datacenter %q: the catalog is of %q", dc, s.datacenter)
	}
	for _, name := range []string{"ns", "partition", "sameness-group"} {
		if q.Param(name) != "" {
			return fmt.Errorf("the catalog has no %s: that is of Consul Enterprise", name)
		}
	}
	if path(q) == "" && (q.Kind == watch.KindKey || q.Kind == watch.KindLookup) {
		return errors.New("the key has no name")
	}
	return nil
}
