package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ctmpl/ctmpl/internal/conf"
)

// Guard is what holds a change that looks like an accident.
type Guard struct {
	Enabled        bool                    `conf:"enabled"`
	MinInstances   int                     `conf:"min_instances" min:"0"`    // of each service
	MaxShrink      Share                   `conf:"max_shrink"`               // of a service's instances, within Window
	MaxChangeLines int                     `conf:"max_change_lines" min:"0"` // 0: no bound
	Window         time.Duration           `conf:"window"`
	Hold           Hold                    `conf:"hold"`
	AllowEmpty     bool                    `conf:"allow_empty"`
	Services       map[string]ServiceGuard `conf:"service"` // by name or pattern
}

func (Guard) blockName() string { return "guard" }

// ServiceGuard is what differs for some services. What is nil is as for all of them.
type ServiceGuard struct {
	MinInstances *int   `conf:"min_instances" min:"0"`
	MaxShrink    *Share `conf:"max_shrink"`
}

// GuardOf gives the guard of a template. It is enabled when there is a block at one
// of the levels, and none switches it off.
func (c *Config) GuardOf(t *Template) Guard {
	g := Guard{Enabled: true, MinInstances: 1, MaxShrink: 0.5, Window: time.Minute, Hold: Hold(10 * time.Minute)}
	on := false
	for _, level := range c.levels(t) {
		level.Guard.over(&g)
		on = on || level.Guard.On()
	}
	g.Enabled = g.Enabled && on
	return g
}

// For gives the bounds of a service. What is said of its name counts more than what is
// said of a pattern, and of patterns the longest one counts.
func (g Guard) For(service string) (minInstances int, maxShrink float64) {
	minInstances, maxShrink = g.MinInstances, float64(g.MaxShrink)
	var names []string
	for name := range g.Services {
		if matches(name, service) {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { // the most particular one last
		starsA, starsB := strings.Count(a, "*"), strings.Count(b, "*")
		return cmp.Or(cmp.Compare(len(a)-starsA, len(b)-starsB), cmp.Compare(starsB, starsA), cmp.Compare(a, b))
	})
	for _, name := range names {
		over(&minInstances, g.Services[name].MinInstances)
		if share := g.Services[name].MaxShrink; share != nil {
			maxShrink = float64(*share)
		}
	}
	return minInstances, maxShrink
}

// matches tells whether a name is of a pattern, where * stands for any text.
func matches(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == name
	}
	first, last := parts[0], parts[len(parts)-1]
	if len(name) < len(first)+len(last) || !strings.HasPrefix(name, first) || !strings.HasSuffix(name, last) {
		return false
	}
	name = name[len(first) : len(name)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		_, rest, ok := strings.Cut(name, part)
		if !ok {
			return false
		}
		name = rest
	}
	return true
}

// Share is a part of a whole: more than 0, and 1 at the most.
type Share float64

// UnmarshalText reads "50%" or 0.5.
func (s *Share) UnmarshalText(text []byte) error {
	number, percent := strings.CutSuffix(strings.TrimSpace(string(text)), "%")
	x, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if percent {
		x /= 100
	}
	if err != nil || !(x > 0 && x <= 1) {
		return errors.New(`want a share of more than 0 and up to 1, such as "50%" or 0.5`)
	}
	*s = Share(x)
	return nil
}

// Hold is how long a change is held before it goes live all the same.
type Hold time.Duration

// Never is the Hold of what goes live only when somebody approves it.
const Never Hold = -1

// UnmarshalText reads a duration, or "never".
func (h *Hold) UnmarshalText(text []byte) error {
	if strings.EqualFold(string(text), "never") {
		*h = Never
		return nil
	}
	d, err := conf.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf(`%w, or "never"`, err)
	}
	*h = Hold(d)
	return nil
}
