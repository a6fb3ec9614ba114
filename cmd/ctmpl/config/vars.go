package config

import (
	"fmt"
	"maps"
	"strings"
)

// VarsOf gives the variables of a template: those that were given by flags, else its
// own, else those of all.
func (c *Config) VarsOf(t *Template) map[string]string {
	all := map[string]string{}
	for _, level := range []map[string]string{c.Vars, t.Vars, c.FlagVars} {
		maps.Copy(all, level)
	}
	return all
}

// addVar adds a variable that a flag gives. What it is given may be a secret.
func (c *Config) addVar(s Setting) error {
	name, value, ok := strings.Cut(s.Value, "=")
	if !ok || name == "" {
		return fmt.Errorf("-%s: want NAME=VALUE", s.Flag)
	}
	if c.FlagVars == nil {
		c.FlagVars = map[string]string{}
	}
	c.FlagVars[name] = value
	return nil
}
