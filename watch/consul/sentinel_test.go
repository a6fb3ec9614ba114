package consul_test

import (
	"fmt"
	"testing"

	"github.com/ctmpl/ctmpl/watch"
	"github.com/ctmpl/ctmpl/watch/consul"
)

// A datacenter that nobody asks for any more makes room for another one.
func TestDatacentersThatAreLookedAfterChange(t *testing.T) {
	t.Parallel()
	src := newSource(t, consul.Config{Address: "127.0.0.1:1"})
	for _, step := range []struct{ wanted, covered string }{
		{"abc", "abc"},
		{"abcd", "abc"}, // each takes connections
		{"bcd", "bcd"},
		{"", "bcd"},
		{"b", "bcd"}, // what comes back goes on
		{"abe", "abe"},
	} {
		set := watch.Set{}
		for _, dc := range step.wanted {
			set.Add(in(dc))
		}
		src.Cover(set)
		got := ""
		for _, dc := range "abcde" {
			if src.Covers(in(dc)) {
				got += string(dc)
			}
		}
		if got != step.covered {
			t.Errorf("%q is wanted: %q is covered, want %q", step.wanted, got, step.covered)
		}
	}
}

// in is a query in a datacenter.
func in(dc rune) watch.Query {
	return watch.Query{Kind: watch.KindService, Name: "web", Params: fmt.Sprintf("dc=%c", dc)}
}
