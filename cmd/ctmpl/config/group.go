package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ctmpl/ctmpl/internal/conf"
)

// Group is what templates have in common that are rolled out as one.
type Group struct {
	Rollout
	Steps
	Pos            conf.Pos
	Command        Command       `conf:"command"`
	CommandTimeout time.Duration `conf:"command_timeout"`
}

// Run gives the command of the group and how long it may take, 0 for the default.
func (g *Group) Run() (args []string, timeout time.Duration) { return g.Command, g.CommandTimeout }

// Program gives the program that is reloaded for the group.
func (g *Group) Program() Program { return implied(g.Reload, g.Nginx) }

// Program gives the program that is reloaded for the template, when it is in no group.
func (t *Template) Program() Program { return implied(t.Reload, t.Nginx) }

// implied is nginx where there is a block nginx beside the key.
func implied(said Program, nginx Layer[Nginx]) Program {
	if nginx.On() {
		return ProgramNginx
	}
	return said
}

// GroupOf gives the group that a template is rolled out with, nil when there is none.
func (c *Config) GroupOf(t *Template) (name string, g *Group) {
	if t.RolloutGroup == "" {
		return "", nil
	}
	group := c.Groups[t.RolloutGroup]
	return t.RolloutGroup, &group
}

// RunOf gives the command that runs for a template: that of its group, or its own.
func (c *Config) RunOf(t *Template) (args []string, timeout time.Duration) {
	if _, g := c.GroupOf(t); g != nil {
		return g.Run()
	}
	return t.Run()
}

// ProgramOf gives the program that is reloaded for a template: that of its group, or
// its own.
func (c *Config) ProgramOf(t *Template) Program {
	if _, g := c.GroupOf(t); g != nil {
		return g.Program()
	}
	return t.Program()
}

// assign puts templates into their groups. A name that no block has is that of a group
// of the system, which the file is to belong to.
func (c *Config) assign() {
	for i := range c.Templates {
		t := &c.Templates[i]
		if _, ok := c.Groups[t.Group]; ok {
			t.RolloutGroup, t.Group = t.Group, ""
		}
	}
}

// checkGroups reports what is wrong with the groups.
func (c *Config) checkGroups() error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(c.Groups)) {
		g := c.Groups[name]
		args, _ := g.Run()
		if err := checkRun(args, g.Program(), g.Nginx.On()); err != nil {
			errs = append(errs, g.Pos.Errorf("group %q: %w", name, err))
		}
		if !slices.ContainsFunc(c.Templates, func(t Template) bool { return t.RolloutGroup == name }) {
			errs = append(errs, g.Pos.Errorf("group %q: no template is in it: say group = %q in one, or leave the block out", name, name))
		}
	}
	return errors.Join(errs...)
}

// checkRun reports a command beside a program that is reloaded.
func checkRun(args []string, program Program, block bool) error {
	if program == "" || noCommand(args) {
		return nil
	}
	if block {
		return fmt.Errorf("has both a command and a block nginx, which means reload = %q: give one of them", program)
	}
	return fmt.Errorf("has both a command and reload = %q: give one of them", program)
}

// checkMember reports what a template in a group says that only the group can.
func (t *Template) checkMember() error {
	args, _ := t.Run()
	for _, key := range []struct {
		name string
		said bool
	}{
		{"command", !noCommand(args)},
		{"reload", t.Reload != ""},
		{"nginx", t.Nginx.On()},
		{"min_reload_interval", t.MinReloadInterval != nil},
		{"max_reloads_per_minute", t.MaxReloadsPerMinute != nil},
	} {
		if key.said {
			return fmt.Errorf("is in the group %q, which is rolled out as one: move %s to the block of the group", t.RolloutGroup, key.name)
		}
	}
	return nil
}

func noCommand(args []string) bool { return len(args) == 0 || len(args) == 1 && args[0] == "" }

// unknownGroup is the error for a name that is neither a block nor a group of the
// system.
func (c *Config) unknownGroup(name string) error {
	hint := conf.DidYouMean(name, slices.Collect(maps.Keys(c.Groups)))
	return fmt.Errorf("group %q: there is neither a block group of this name nor a group of the system%s", name, hint)
}
