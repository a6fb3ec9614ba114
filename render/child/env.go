package child

import (
	"path"
	"slices"
	"strings"
)

// Env says what the child gets of the environment. The zero value is all of it.
type Env struct {
	Pristine  bool     // nothing but Custom
	Custom    []string // "NAME=value", always given, as it is; wins over the parent's
	Allowlist []string // patterns of names, as in path.Match; when there are any, others are left out
	Denylist  []string // patterns of names to leave out, though they are allowed
}

// Environ is the environment of the child, from the one of its parent. A pattern
// that is malformed matches no name.
func Environ(parent []string, e Env) []string {
	out := []string{}
	for _, variable := range parent {
		name, _, _ := strings.Cut(variable, "=")
		if e.inherits(name) {
			out = append(out, variable)
		}
	}
	return append(out, e.Custom...) // last, since os/exec takes the last of a name
}

func (e Env) inherits(name string) bool {
	switch {
	case e.Pristine:
		return false
	case len(e.Allowlist) > 0 && !matches(e.Allowlist, name):
		return false
	}
	return !matches(e.Denylist, name)
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		ok, err := path.Match(pattern, name)
		return ok && err == nil
	})
}
