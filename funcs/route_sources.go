package funcs

import (
	"fmt"
	"strings"

	"github.com/ctmpl/ctmpl/watch"
)

// sources are what routes need beside the catalog. They are asked only where a service
// needs them.
type sources struct {
	x        *Execution
	settings *settings
	sandbox  string
	certs    map[certRef]*Certificate // that are known
	keys     map[string]map[string]string
}

// below gives the values of the keys below a prefix. A key by itself would be asked for
// in a way that is refused where the token may not read it; a list leaves it out.
func (s *sources) below(prefix string) map[string]string {
	if values, ok := s.keys[prefix]; ok {
		return values
	}
	values := map[string]string{}
	if q, err := watch.ParsePrefix("tree", prefix); err == nil {
		for _, pair := range read[[]*watch.KeyPair](s.x.Reader, q, nil) {
			values[pair.Path] = pair.Value
		}
	}
	if s.keys == nil {
		s.keys = map[string]map[string]string{}
	}
	s.keys[prefix] = values
	return values
}

// noPercent is a percentage that is none.
const noPercent = -1

// percent gives how many of a hundred clients are to get the canary of a service. ok is
// false when there is nothing about it. A value that is none means noPercent; a line's end
// behind it, as echo gives, is nothing to fail for.
func (s *sources) percent(service string) (percent int, ok bool, err error) {
	key := s.settings.canary + service + "/canary"
	text, ok := s.below(s.settings.canary)[key]
	if !ok || text == "" {
		return 0, false, nil
	}
	percent, err = wholeFrom(strings.TrimSpace(text), 0, 100)
	if err != nil {
		return noPercent, true, fmt.Errorf("service %s has no canary: key %s: %w", quote(service), quote(key), err)
	}
	return percent, true, nil
}
