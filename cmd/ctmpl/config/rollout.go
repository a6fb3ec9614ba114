package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Rollout is what the top level, a group and a template can say of how changes go
// live. Of each key the innermost one counts: see Config.GuardOf and its like.
type Rollout struct {
	Guard               Layer[Guard]   `conf:"guard"`
	Nginx               Layer[Nginx]   `conf:"nginx"`
	OnDrift             Drift          `conf:"on_drift"`            // "": not said
	MinReloadInterval   *time.Duration `conf:"min_reload_interval"` // nil: not said, as below
	MaxReloadsPerMinute *int           `conf:"max_reloads_per_minute" min:"0"`
	ReloadOn            ReloadOn       `conf:"reload_on"`
	Urgent              *Urgent        `conf:"urgent"`
}

// levels gives what counts for a template, from the outermost to the innermost.
func (c *Config) levels(t *Template) []*Rollout {
	levels := []*Rollout{&c.Rollout}
	if _, g := c.GroupOf(t); g != nil {
		levels = append(levels, &g.Rollout)
	}
	return append(levels, &t.Rollout)
}

// ReloadLimits are how often and for what a program is reloaded.
type ReloadLimits struct {
	MinInterval  time.Duration // between two reloads
	MaxPerMinute int           // 0: no bound
	On           ReloadOn
	Urgent       Urgent // what does not wait
}

// LimitsOf gives the limits of the reloads for a template.
func (c *Config) LimitsOf(t *Template) ReloadLimits {
	limits := ReloadLimits{On: ReloadOnChange}
	for _, level := range c.levels(t) {
		over(&limits.MinInterval, level.MinReloadInterval)
		over(&limits.MaxPerMinute, level.MaxReloadsPerMinute)
		over(&limits.Urgent, level.Urgent)
		if level.ReloadOn != "" {
			limits.On = level.ReloadOn
		}
	}
	return limits
}

func over[T any](dst, said *T) {
	if said != nil {
		*dst = *said
	}
}

// DriftOf tells what to do with a destination that somebody else has changed.
func (c *Config) DriftOf(t *Template) Drift {
	drift := DriftOverwrite
	for _, level := range c.levels(t) {
		if level.OnDrift != "" {
			drift = level.OnDrift
		}
	}
	return drift
}

// Drift is what to do with a destination that somebody else has changed.
type Drift string

// What there is to do.
const (
	DriftOverwrite Drift = "overwrite"
	DriftKeep      Drift = "keep"
	DriftRefuse    Drift = "refuse"
)

// UnmarshalText reads one of them.
func (d *Drift) UnmarshalText(text []byte) error {
	return oneOf(d, text, DriftOverwrite, DriftKeep, DriftRefuse)
}

// ReloadOn is which differences are worth a reload.
type ReloadOn string

// Any difference, or one that means something to the program.
const (
	ReloadOnChange   ReloadOn = "change"
	ReloadOnSemantic ReloadOn = "semantic"
)

// UnmarshalText reads one of them.
func (r *ReloadOn) UnmarshalText(text []byte) error {
	return oneOf(r, text, ReloadOnChange, ReloadOnSemantic)
}

// Urgent is which changes do not wait for their turn, "" for none.
type Urgent string

// UrgentRemovals are changes that take something away.
const UrgentRemovals Urgent = "removals"

// UnmarshalText reads one of them.
func (u *Urgent) UnmarshalText(text []byte) error { return oneOf(u, text, UrgentRemovals) }

// Format is what a template gives, "" where that is not known.
type Format string

// FormatNginx is configuration of nginx.
const FormatNginx Format = "nginx"

// UnmarshalText reads one of them.
func (f *Format) UnmarshalText(text []byte) error { return oneOf(f, text, FormatNginx) }

// Program is a program that ctmpl knows how to check and reload, "" for none.
type Program string

// ProgramNginx is nginx.
const ProgramNginx Program = "nginx"

// UnmarshalText reads its name.
func (p *Program) UnmarshalText(text []byte) error {
	if err := oneOf(p, text, ProgramNginx); err != nil {
		return fmt.Errorf("ctmpl cannot reload %q itself: the only program that it knows is %q; for others say command = \"…\"", text, ProgramNginx)
	}
	return nil
}

// oneOf reads one of several words, or "".
func oneOf[T ~string](dst *T, text []byte, known ...T) error {
	word := T(strings.ToLower(string(text)))
	if word != "" && !slices.Contains(known, word) {
		names := make([]string, len(known))
		for i, k := range known {
			names[i] = fmt.Sprintf("%q", string(k))
		}
		list := strings.Join(names, ", ")
		if n := len(names); n > 1 {
			list = strings.Join(names[:n-1], ", ") + " or " + names[n-1]
		}
		return fmt.Errorf("%q is unknown: want %s", text, list)
	}
	*dst = word
	return nil
}
