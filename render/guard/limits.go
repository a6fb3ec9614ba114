package guard

import (
	"strconv"
	"strings"
	"time"

	"github.com/ctmpl/ctmpl/watch"
)

// Limits are the bounds of a template. The zero value of a bound is none; an output
// that becomes empty, unless it may, and an answer that is not to be trusted are held in
// any case.
type Limits struct {
	MinInstances   int           // of all services together
	MaxShrink      float64       // 0.5: at most half of the instances, and of the services with instances, may vanish
	Window         time.Duration // MaxShrink is measured against the most there was in this time
	MaxChangeLines int           // added and removed, in files that were not empty
	AllowEmpty     bool          // an output may become empty
	Services       []ServiceLimits
}

// ServiceLimits are the bounds of single services: of each query for them.
type ServiceLimits struct {
	Name         string // as it is in Consul, or a pattern in which * stands for any text
	MinInstances int
	MaxShrink    float64
}

// of gives the bounds of the service that a query asks for: those with its very name, else
// those with the first pattern that matches.
func (l Limits) of(query string) (found ServiceLimits, ok bool) {
	name := serviceName(query)
	for _, s := range l.Services {
		if s.Name == name {
			return s, true
		}
	}
	for _, s := range l.Services {
		if matches(s.Name, name) {
			return s, true
		}
	}
	return ServiceLimits{}, false
}

// argument takes a query as it is written apart: service "http.web@dc1" has the kind
// service.
func argument(query string) (kind, arg string) {
	kind, quoted, _ := strings.Cut(query, " ")
	arg, err := strconv.Unquote(quoted)
	if err != nil {
		return kind, quoted
	}
	return kind, arg
}

// serviceName is the name of the service that a query asks for, without tag, datacenter
// and filter.
func serviceName(query string) string {
	_, arg := argument(query)
	if q, err := watch.ParseService(arg); err == nil {
		return q.Name
	}
	return arg
}

// matches tells whether name is what a pattern describes.
func matches(pattern, name string) bool {
	first, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == name
	}
	if !strings.HasPrefix(name, first) {
		return false
	}
	name = name[len(first):]
	parts := strings.Split(rest, "*")
	last := parts[len(parts)-1]
	for _, part := range parts[:len(parts)-1] { // the first place for each is good enough
		i := strings.Index(name, part)
		if i < 0 {
			return false
		}
		name = name[i+len(part):]
	}
	return strings.HasSuffix(name, last)
}

// exceeds tells whether lost of all is more than a share. The share is one that a person
// wrote, so 0.29 of 100 are 29.
func exceeds(lost, all int, share float64) bool {
	const rounding = 1e-9
	return share > 0 && float64(lost) > share*float64(all)+rounding
}
