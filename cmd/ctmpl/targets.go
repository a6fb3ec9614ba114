package main

import (
	"cmp"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ctmpl/ctmpl/cmd/ctmpl/config"
	"github.com/ctmpl/ctmpl/render"
	"github.com/ctmpl/ctmpl/render/guard"
	"github.com/ctmpl/ctmpl/render/nginx"
	"github.com/ctmpl/ctmpl/render/rollout"
)

// drivers are those that have been made: one for each nginx, as long as ctmpl runs.
type drivers struct {
	log  *slog.Logger
	made map[string]*nginx.Driver
}

func newDrivers(log *slog.Logger) *drivers {
	return &drivers{log: log, made: map[string]*nginx.Driver{}}
}

// of gives the driver of an nginx.
func (d *drivers) of(cfg config.Nginx) *nginx.Driver {
	method := string(cfg.CheckMethod)
	if cfg.CheckMethod == config.CheckAuto {
		method = ""
	}
	driver := nginx.New(nginx.Config{
		Binary: string(cfg.Binary), Conf: string(cfg.Config), Prefix: string(cfg.Prefix), PidFile: string(cfg.PidFile),
		CheckTimeout: cfg.CheckTimeout, ReloadTimeout: cfg.ReloadTimeout, MaxDraining: cfg.MaxDraining,
		CheckMethod: method, VersionURL: string(cfg.VersionURL),
	}, d.log)
	if made, ok := d.made[driver.Key()]; ok {
		return made
	}
	d.made[driver.Key()] = driver
	return driver
}

// targetSpec is how a template is rolled out together with others.
func targetSpec(cfg *config.Config, t *config.Template, env []string, drivers *drivers) render.TargetSpec {
	limits := cfg.LimitsOf(t)
	spec := render.TargetSpec{OnDrift: drift[cfg.DriftOf(t)], MinInterval: limits.MinInterval, MaxPerMinute: limits.MaxPerMinute}
	if limits.On == config.ReloadOnSemantic {
		spec.Canonical = nginx.Canonical
	}
	if cfg.ProgramOf(t) == config.ProgramNginx {
		driver := drivers.of(cfg.NginxOf(t))
		spec.Driver, spec.DriverKey = driver, driver.Key()
	}
	if name, g := cfg.GroupOf(t); g != nil {
		args, timeout := g.Run()
		spec.Group = name
		spec.Command = rollout.Command{Args: args, Timeout: timeout, Env: environ(config.Env{}, env)}
		spec.Check, spec.Verify = probe("check_timeout", g.Checking, env), probe("verify_timeout", g.Verifying, env)
	}
	return spec
}

// particular orders patterns so that the most particular one, which counts, comes first.
func particular(a, b string) int {
	letters := func(s string) int { return len(s) - strings.Count(s, "*") }
	return cmp.Or(cmp.Compare(letters(b), letters(a)), cmp.Compare(a, b))
}

var drift = map[config.Drift]render.Drift{
	config.DriftOverwrite: render.DriftOverwrite, config.DriftKeep: render.DriftKeep, config.DriftRefuse: render.DriftRefuse,
}

// guardOf is the guard of a template, nil when there is none, and how long it holds.
func guardOf(g config.Guard) (*guard.Limits, time.Duration) {
	if !g.Enabled {
		return nil, 0
	}
	limits := &guard.Limits{
		MinInstances: g.MinInstances, MaxShrink: float64(g.MaxShrink), Window: g.Window, MaxChangeLines: g.MaxChangeLines, AllowEmpty: g.AllowEmpty,
	}
	for _, name := range slices.SortedFunc(maps.Keys(g.Services), particular) {
		s := guard.ServiceLimits{Name: name}
		if bounds := g.Services[name]; bounds.MinInstances != nil {
			s.MinInstances = *bounds.MinInstances
		}
		if bounds := g.Services[name]; bounds.MaxShrink != nil {
			s.MaxShrink = float64(*bounds.MaxShrink)
		}
		limits.Services = append(limits.Services, s)
	}
	return limits, time.Duration(g.Hold)
}
