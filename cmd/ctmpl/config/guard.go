package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ctmpl/ctmpl/internal/conf"
)

// Guard is what holds a change that looks like an accident.
type Guard struct {
	Enabled        bool                    `conf:"enabled"`
	MinInstances   int                     `conf:"min_instances" min:"0"`    // of all services together
	MaxShrink      Share                   `conf:"max_shrink"`               // of all instances, and of the services with instances, within Window
	MaxChangeLines int                     `conf:"max_change_lines" min:"0"` // 0: no bound
	Window         time.Duration           `conf:"window"`
	Hold           Hold                    `conf:"hold"`
	AllowEmpty     bool                    `conf:"allow_empty"`
	Services       map[string]ServiceGuard `conf:"service"` // by name or pattern
}

func (Guard) blockName() string { return "guard" }

// ServiceGuard is what bounds single services. What is nil does not.
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
