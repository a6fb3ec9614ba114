package consul

import (
	"maps"
	"slices"

	"github.com/ctmpl/ctmpl/watch"
)

// stale collects the queries whose answers may have changed.
type stale struct {
	sc  *scope
	set watch.Set
}

func (sc *scope) collect() stale { return stale{sc: sc, set: watch.Set{}} }

func (f stale) service(name string) {
	for q := range f.sc.services[name] {
		f.set.Add(q)
	}
}

// since adds the queries for a service whose answers are older than an index.
func (f stale) since(name string, index uint64) {
	for q, at := range f.sc.services[name] {
		if at < index {
			f.set.Add(q)
		}
	}
}

func (f stale) queries(set watch.Set) {
	for q := range set {
		f.set.Add(q)
	}
}

// notice is what to tell of it.
func (f stale) notice() watch.Notice { return watch.Notice{Stale: slices.Collect(maps.Keys(f.set))} }
