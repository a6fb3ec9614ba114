package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ctmpl/ctmpl/cmd/ctmpl/config"
	"github.com/ctmpl/ctmpl/internal/conf"
)

// flags is the command line.
type flags struct {
	configs  []string
	settings []config.Setting
	dry      bool
	diff     bool
	help     bool
	version  bool

	at func(point string) // for tests: see render.Options
}

// parseFlags reads the command line. It does not read files.
func parseFlags(args []string) (*flags, error) {
	f := &flags{}
	set := flag.NewFlagSet("ctmpl", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.BoolVar(&f.help, "h", false, "")
	set.BoolVar(&f.version, "v", false, "")
	for _, group := range options {
		for _, o := range group.list {
			f.define(set, o)
		}
	}
	err := set.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		f.help = true
		return f, nil
	case err != nil:
		return nil, explainFlag(err, set)
	case set.NArg() > 0:
		// What stands there may be a secret: -consul-token= SECRET.
		return nil, fmt.Errorf("argument %d is unexpected: a template is given with -template, a configuration with -config", len(args)-set.NArg()+1)
	}
	return f, nil
}

// define adds one flag to the set.
func (f *flags) define(set *flag.FlagSet, o option) {
	switch o.name {
	case "config":
		set.Func(o.name, o.help, func(s string) error {
			f.configs = append(f.configs, s)
			return nil
		})
	case "dry":
		set.BoolVar(&f.dry, o.name, false, o.help)
	case "diff":
		set.BoolVar(&f.diff, o.name, false, o.help)
	case "help":
		set.BoolVar(&f.help, o.name, false, o.help)
	case "version":
		set.BoolVar(&f.version, o.name, false, o.help)
	case "consul-auth":
		set.Func(o.name, o.help, f.auth)
	default:
		take := func(s string) error {
			setting := config.Setting{Flag: o.name, Path: o.path, Value: s}
			f.settings = append(f.settings, setting)
			return setting.Check()
		}
		if o.arg == "" {
			set.BoolFunc(o.name, o.help, take)
		} else {
			set.Func(o.name, o.help, take)
		}
	}
}

// auth takes user:password apart.
func (f *flags) auth(s string) error {
	if s == "" {
		return errors.New("-consul-auth is empty: want user:password")
	}
	user, password, _ := strings.Cut(s, ":")
	for path, value := range map[string]string{"consul.auth.enabled": "true", "consul.auth.username": user, "consul.auth.password": password} {
		f.settings = append(f.settings, config.Setting{Flag: "consul-auth", Path: path, Value: value})
	}
	return nil
}

// explainFlag turns an error of the flag package into a line of ours. That
// package quotes values, which may be secrets.
func explainFlag(err error, set *flag.FlagSet) error {
	text := err.Error()
	if name, ok := strings.CutPrefix(text, "flag provided but not defined: -"); ok {
		return unknownFlag(strings.TrimPrefix(name, "-"), set)
	}
	if i := strings.Index(text, " for flag -"); i >= 0 {
		if _, cause, ok := strings.Cut(text[i:], ": "); ok {
			return errors.New(cause)
		}
	}
	return err
}

func unknownFlag(name string, set *flag.FlagSet) error {
	if slices.Contains(laterFlags, name) {
		return fmt.Errorf("the flag -%s of consul-template is not supported yet", name)
	}
	if strings.HasPrefix(name, "vault-") || strings.HasPrefix(name, "nomad-") {
		return fmt.Errorf("the flag -%s is not supported yet: ctmpl does not read from Vault or Nomad", name)
	}
	var known []string
	set.VisitAll(func(f *flag.Flag) { known = append(known, "-"+f.Name) })
	return fmt.Errorf("unknown flag -%s%s", name, conf.DidYouMean("-"+name, known))
}

// load reads the configuration that the command line asks for.
func (f *flags) load() (*config.Config, error) { return config.Load(f.configs, f.settings) }
