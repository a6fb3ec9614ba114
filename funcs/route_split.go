package funcs

import (
	"cmp"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ctmpl/ctmpl/watch"
)

// Split shares the requests for a service among its versions: each client goes to one.
// Nobody may change it.
type Split struct {
	Service  string
	Variable Nginx // has the name of the upstream
	Key      Nginx // what tells clients apart
	Source   Nginx // what Key is made of, with the address where it is empty; "" when it is the address
	Parts    []SplitPart
}

// SplitPart is what goes to one upstream: a percentage, or * for the rest.
type SplitPart struct {
	Share    Nginx
	Upstream *Upstream
}

// versions is what a service has of versions. The newest is the canary.
type versions struct {
	names                  names
	canary, stable         *Upstream // with names of their own
	onlyCanary, onlyStable *Upstream // with that of the service
	made                   *Split    // last
}

// newVersions parts instances by their version; nil when there are not two.
func newVersions(n names, service string, list []*watch.ServiceInstance, w wants) *versions {
	version := func(i *watch.ServiceInstance) string { return i.ServiceMeta[metaVersion] }
	newest := ""
	for _, i := range list {
		if compareVersions(version(i), newest) > 0 {
			newest = version(i)
		}
	}
	canary, stable := slices.Clone(list), slices.Clone(list)
	canary = slices.DeleteFunc(canary, func(i *watch.ServiceInstance) bool { return version(i) != newest })
	stable = slices.DeleteFunc(stable, func(i *watch.ServiceInstance) bool { return version(i) == newest })
	if len(stable) == 0 || len(canary) == 0 {
		return nil
	}
	s := &versions{names: n}
	for _, part := range []struct {
		name       string
		list       []*watch.ServiceInstance
		part, only **Upstream
	}{{"_canary.", canary, &s.canary, &s.onlyCanary}, {"_stable.", stable, &s.stable, &s.onlyStable}} {
		only, _, err := upstreamOf(n, service, part.list, w, false)
		if err != nil {
			return nil // as the whole
		}
		*part.part, *part.only = only.named(n.upstreams+Nginx(part.name)+upstreamNameOf(service)), only
	}
	return s
}

// of gives what serves when so many of a hundred clients are to get the canary: one
// upstream, or both. A version of which nothing is up gets none. With 0 the canary gets
// none in any case: somebody has withdrawn it. With noPercent, which nobody has meant, it
// serves when nothing else is up.
func (s *versions) of(service string, percent int, key canaryKey) (*Upstream, *Split) {
	switch {
	case percent > 0 && len(s.stable.Servers) == 0, percent == 100 && len(s.canary.Servers) > 0:
		return s.onlyCanary, nil
	case percent > 0 && len(s.canary.Servers) > 0:
		share := Nginx(strconv.Itoa(percent) + "%")
		if s.made == nil || s.made.Parts[0].Share != share {
			s.made = newSplitOf(s.names, service, key, SplitPart{share, s.canary}, SplitPart{"*", s.stable})
		}
		return nil, s.made
	case percent == noPercent && len(s.stable.Servers) == 0 && len(s.canary.Servers) > 0:
		return s.onlyCanary, nil
	}
	return s.onlyStable, nil
}

func newSplitOf(n names, service string, key canaryKey, parts ...SplitPart) *Split {
	s := &Split{Service: service, Variable: "$" + n.variable("split", service), Key: "$remote_addr", Parts: parts}
	if key.source != "" {
		s.Key, s.Source = "$"+n.variable("splitkey", service), key.source
	}
	return s
}

// canaryKey is what tells clients apart.
type canaryKey struct{ source Nginx }

var canaryKeyPattern = regexp.MustCompile(`^(header|cookie) ([A-Za-z0-9_-]{1,64})$`)

// canaryKeyOf reads address, header NAME or cookie NAME.
func canaryKeyOf(text string) (canaryKey, error) {
	if text == "address" {
		return canaryKey{}, nil
	}
	m := canaryKeyPattern.FindStringSubmatch(text)
	switch {
	case m == nil, m[1] == "cookie" && strings.Contains(m[2], "-"):
		return canaryKey{}, errors.New("want address, header NAME or cookie NAME")
	case m[1] == "cookie":
		return canaryKey{Nginx("$cookie_" + m[2])}, nil
	}
	return canaryKey{Nginx("$http_" + strings.ReplaceAll(strings.ToLower(m[2]), "-", "_"))}, nil
}

var versionParts = regexp.MustCompile(`[0-9]+|[^0-9]+`)

// preRelease is what stands behind a version that comes before it, as in 1.10.0-rc1. With
// a number, as in 1.10.0-2, it comes after it.
var preRelease = regexp.MustCompile(`^(-[A-Za-z]|~)`)

// compareVersions compares v9 and v10 as their numbers are.
func compareVersions(a, b string) int {
	partsA, partsB := append(versionParts.FindAllString(a, -1), ""), append(versionParts.FindAllString(b, -1), "")
	for i := range min(len(partsA), len(partsB)) {
		if c := compareParts(partsA[i], partsB[i]); c != 0 {
			return c
		}
	}
	return strings.Compare(a, b) // 01 and 1
}

// compareParts compares parts of versions; "" is the end of one.
func compareParts(a, b string) int {
	rank := func(part string) int {
		switch {
		case preRelease.MatchString(part):
			return 0
		case part == "":
			return 1
		}
		return 2
	}
	x, errX := strconv.ParseUint(a, 10, 64)
	y, errY := strconv.ParseUint(b, 10, 64)
	if errX == nil && errY == nil {
		return cmp.Compare(x, y)
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a, b))
}
