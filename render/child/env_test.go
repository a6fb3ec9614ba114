package child

import (
	"slices"
	"testing"
)

// TestEnviron has consul-template v0.41.1's answers.
func TestEnviron(t *testing.T) {
	t.Parallel()
	parent := []string{"PATH=/bin", "HOME=/root", "CONSUL_X=1", "CONSUL_Y=2=3", "EMPTY="}
	for name, tc := range map[string]struct {
		env  Env
		want []string
	}{
		"all":                      {Env{}, parent},
		"custom":                   {Env{Custom: []string{"A=$HOME"}}, append(slices.Clone(parent), "A=$HOME")},
		"custom wins":              {Env{Custom: []string{"HOME=/x"}}, append(slices.Clone(parent), "HOME=/x")},
		"pristine":                 {Env{Pristine: true, Allowlist: []string{"HOME"}}, []string{}},
		"pristine and custom":      {Env{Pristine: true, Custom: []string{"A=1"}, Denylist: []string{"A"}}, []string{"A=1"}},
		"allowed":                  {Env{Allowlist: []string{"CONSUL_*", "EMPTY"}}, []string{"CONSUL_X=1", "CONSUL_Y=2=3", "EMPTY="}},
		"denied":                   {Env{Denylist: []string{"CONSUL_*", "P?TH"}}, []string{"HOME=/root", "EMPTY="}},
		"denied though allowed":    {Env{Allowlist: []string{"C*", "HOME"}, Denylist: []string{"*_Y"}}, []string{"HOME=/root", "CONSUL_X=1"}},
		"custom though denied":     {Env{Allowlist: []string{"PATH"}, Denylist: []string{"*"}, Custom: []string{"CONSUL_Y=9"}}, []string{"CONSUL_Y=9"}},
		"malformed, in the denied": {Env{Denylist: []string{"["}}, parent},
		"malformed, among others":  {Env{Allowlist: []string{"[", "HOME"}}, []string{"HOME=/root"}},
		"case counts":              {Env{Allowlist: []string{"home"}}, []string{}},
	} {
		got := Environ(parent, tc.env)
		if !slices.Equal(got, tc.want) || got == nil {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}
