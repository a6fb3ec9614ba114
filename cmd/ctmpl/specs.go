package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/ctmpl/ctmpl/cmd/ctmpl/config"
	"github.com/ctmpl/ctmpl/funcs"
	"github.com/ctmpl/ctmpl/render"
	"github.com/ctmpl/ctmpl/render/child"
	"github.com/ctmpl/ctmpl/render/rollout"
	"github.com/ctmpl/ctmpl/templates"
	"github.com/ctmpl/ctmpl/watch/consul"
)

// specs turns the templates of a configuration into what the engine takes. A dry
// run needs no destination. With an error there are still the specs that could be
// made.
func specs(cfg *config.Config, flags *flags, drivers *drivers) ([]render.Spec, error) {
	if len(cfg.Templates) == 0 && !cfg.Exec.On() {
		return nil, errNoTemplates
	}
	env := consulEnv(cfg)
	var list []render.Spec
	var errs []error
	for i := range cfg.Templates {
		t := &cfg.Templates[i]
		if t.Destination == "" && !flags.dry {
			errs = append(errs, noDestination(cmp.Or(t.Source, "at "+t.Pos.String())))
		}
		spec, err := spec(cfg, t, env)
		errs = append(errs, err)
		spec.Target = targetSpec(cfg, t, env, drivers)
		list = append(list, spec)
	}
	return list, errors.Join(append(errs, unknownVars(cfg, list))...)
}

func spec(cfg *config.Config, t *config.Template, env []string) (render.Spec, error) {
	uid, gid, err := t.Owner()
	if err != nil {
		return render.Spec{}, &configError{err}
	}
	wait := cfg.Wait
	if t.Wait != nil {
		wait = *t.Wait
	}
	shortest, longest := wait.Bounds()
	spec := render.Spec{
		Source: t.Source,
		Syntax: syntax(cfg, t, env),
		File: rollout.File{
			Path: t.Destination, Mode: t.Perms.FileMode(), UID: uid, GID: gid, Backup: t.Backup,
			NeedDir: t.CreateDestDirs != nil && !*t.CreateDestDirs,
		},
		Check:  probe("check_timeout", t.Checking, env),
		Verify: probe("verify_timeout", t.Verifying, env),
		Wait:   render.Wait{Min: shortest, Max: longest},
		Urgent: cfg.LimitsOf(t).Urgent == config.UrgentRemovals,
		Fatal:  cfg.TemplateErrorFatal,
	}
	if _, group := cfg.GroupOf(t); group == nil {
		spec.Command = commandOf(t, env)
	}
	spec.Guard, spec.Hold = guardOf(cfg.GuardOf(t))
	if t.Contents != nil {
		spec.Contents = *t.Contents
	}
	if t.ErrorFatal != nil {
		spec.Fatal = *t.ErrorFatal
	}
	return spec, nil
}

func syntax(cfg *config.Config, t *config.Template, env []string) render.Syntax {
	s := render.Syntax{
		Left:             cmp.Or(t.LeftDelimiter, cfg.Delimiters.Left),
		Right:            cmp.Or(t.RightDelimiter, cfg.Delimiters.Right),
		FailOnMissingKey: t.ErrorOnMissingKey,
		Format:           string(t.Format),
		Funcs:            funcs.Options{Env: env, Denied: t.FunctionDenylist, Sandbox: t.SandboxPath, Vars: cfg.VarsOf(t)},
		MaxOutput:        cfg.Limits.OutputBytes,
		MaxTime:          cfg.Limits.ExecutionTime,
	}
	if templates.Named(t.Source) { // of these it is known
		s.Left, s.Right, s.Format = "", "", render.FormatNginx
	}
	return s
}

// commandOf gives the command of a template.
func commandOf(t *config.Template, env []string) rollout.Command {
	args, timeout := t.Run()
	return rollout.Command{
		Args: args, Timeout: timeout, Env: environ(t.Exec.Env, env),
		KillSignal: syscall.Signal(t.Exec.KillSignal), KillTimeout: t.Exec.KillTimeout,
	}
}

// probe is a command that checks or verifies.
func probe(setting string, said func() ([]string, time.Duration), env []string) rollout.Command {
	args, timeout := said()
	return rollout.Command{Args: args, Timeout: timeout, Env: environ(config.Env{}, env), Setting: setting}
}

// consulEnv is what commands, and env in templates, are told of the agent: what was
// configured beyond the environment. As with consul-template the two variables on
// HTTPS are always there.
func consulEnv(cfg *config.Config) []string {
	var env []string
	add := func(name, value string) {
		if value != "" {
			env = append(env, name+"="+value)
		}
	}
	c := cfg.Consul
	add("CONSUL_HTTP_ADDR", c.Address)
	add("CONSUL_HTTP_TOKEN", c.Token)
	add("CONSUL_HTTP_TOKEN_FILE", c.TokenFile)
	if c.Auth.On() {
		add("CONSUL_HTTP_AUTH", c.Auth.Username+":"+c.Auth.Password)
	}
	verify := c.SSL.Verify == nil || *c.SSL.Verify
	if _, set := os.LookupEnv("CONSUL_HTTP_SSL"); c.SSL.On() || !set {
		add("CONSUL_HTTP_SSL", strconv.FormatBool(c.SSL.On()))
	}
	if _, set := os.LookupEnv("CONSUL_HTTP_SSL_VERIFY"); c.SSL.Verify != nil || !set {
		add("CONSUL_HTTP_SSL_VERIFY", strconv.FormatBool(verify))
	}
	return env
}

// environ is the environment of a command: what env lets through, and what tells of
// the agent.
func environ(env config.Env, consul []string) []string {
	return child.Environ(os.Environ(), child.Env{
		Pristine: env.Pristine, Custom: slices.Concat(consul, env.Custom), Allowlist: env.Allowlist, Denylist: env.Denylist,
	})
}

// childSpec is the program to supervise.
func childSpec(cfg *config.Config) child.Spec {
	return child.Spec{
		Args: cfg.Exec.Command, Env: environ(cfg.Exec.Env, consulEnv(cfg)),
		ReloadSignal: syscall.Signal(cfg.Exec.ReloadSignal), KillSignal: syscall.Signal(cfg.Exec.KillSignal),
		KillTimeout: cfg.Exec.KillTimeout, Splay: cfg.Exec.Splay,
	}
}

// noDestination is the error for a template that has nowhere to go.
func noDestination(source string) error {
	return fmt.Errorf("the template %s has no destination: give one (-template source:destination), or use -dry", source)
}

// errNoTemplates is the error for a configuration without templates.
var errNoTemplates = errors.New("there is no template: give one with -template source:destination:command, or a file with -config")

// clientConfig is how the Consul client is set up.
func clientConfig(cfg *config.Config) consul.Config {
	c := cfg.Consul
	if on := c.SSL.On(); on {
		c.SSL.Enabled = &on
	}
	out := consul.Config{
		Address: c.Address, Namespace: c.Namespace, Token: c.Token, TokenFile: c.TokenFile,
		TLS: consul.TLS{
			Enabled: c.SSL.Enabled, Verify: c.SSL.Verify, CACert: c.SSL.CACert, CACertPEM: c.SSL.CACertBytes,
			CAPath: c.SSL.CAPath, Cert: c.SSL.Cert, Key: c.SSL.Key, ServerName: c.SSL.ServerName,
		},
		Transport:         consul.Transport(c.Transport),
		MaxStale:          cfg.MaxStale,
		Connections:       cfg.Limits.Connections,
		RequestsPerSecond: cfg.Limits.RequestsPerSecond,
	}
	if c.Auth.On() {
		out.Username, out.Password = c.Auth.Username, c.Auth.Password
	}
	return out
}
