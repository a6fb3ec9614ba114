package main

import (
	"cmp"
	"strconv"

	"github.com/ctmpl/ctmpl/cmd/ctmpl/config"
	"github.com/ctmpl/ctmpl/funcs"
	"github.com/ctmpl/ctmpl/render"
	"github.com/ctmpl/ctmpl/render/rollout"
	"github.com/ctmpl/ctmpl/watch/consul"
)

// specs turns the templates of a configuration into what the engine takes. A dry
// run needs no destination.
func specs(cfg *config.Config, dry bool) ([]render.Spec, error) {
	if len(cfg.Templates) == 0 {
		return nil, errNoTemplates
	}
	env := consulEnv(cfg)
	var list []render.Spec
	for _, t := range cfg.Templates {
		if t.Destination == "" && !dry {
			return nil, noDestination(cmp.Or(t.Source, "at "+t.Pos.String()))
		}
		spec, err := spec(cfg, t, env)
		if err != nil {
			return nil, err
		}
		list = append(list, spec)
	}
	return list, nil
}

func spec(cfg *config.Config, t config.Template, env []string) (render.Spec, error) {
	uid, gid, err := t.Owner()
	if err != nil {
		return render.Spec{}, &configError{err}
	}
	args, timeout := t.Run()
	wait := cfg.Wait
	if t.Wait != nil {
		wait = *t.Wait
	}
	shortest, longest := wait.Bounds()
	spec := render.Spec{
		Source: t.Source,
		Syntax: render.Syntax{
			Left:             cmp.Or(t.LeftDelimiter, cfg.Delimiters.Left),
			Right:            cmp.Or(t.RightDelimiter, cfg.Delimiters.Right),
			FailOnMissingKey: t.ErrorOnMissingKey,
			Funcs:            funcs.Options{Env: env, Denied: t.FunctionDenylist, Sandbox: t.SandboxPath},
		},
		File: rollout.File{
			Path: t.Destination, Mode: t.Perms.FileMode(), UID: uid, GID: gid, Backup: t.Backup,
			NeedDir: t.CreateDestDirs != nil && !*t.CreateDestDirs,
		},
		Command: rollout.Command{Args: args, Timeout: timeout, Env: env},
		Wait:    render.Wait{Min: shortest, Max: longest},
		Fatal:   cfg.TemplateErrorFatal,
	}
	if t.Contents != nil {
		spec.Contents = *t.Contents
	}
	if t.ErrorFatal != nil {
		spec.Fatal = *t.ErrorFatal
	}
	return spec, nil
}

// consulEnv is what commands, and env in templates, are told of the agent: what was
// configured beyond the environment.
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
	if c.SSL.Enabled != nil {
		add("CONSUL_HTTP_SSL", strconv.FormatBool(*c.SSL.Enabled))
	}
	if c.SSL.Verify != nil {
		add("CONSUL_HTTP_SSL_VERIFY", strconv.FormatBool(*c.SSL.Verify))
	}
	return env
}

// clientConfig is how the Consul client is set up.
func clientConfig(cfg *config.Config) consul.Config {
	c := cfg.Consul
	out := consul.Config{
		Address: c.Address, Namespace: c.Namespace, Token: c.Token, TokenFile: c.TokenFile,
		TLS: consul.TLS{
			Enabled: c.SSL.Enabled, Verify: c.SSL.Verify, CACert: c.SSL.CACert, CACertPEM: c.SSL.CACertBytes,
			CAPath: c.SSL.CAPath, Cert: c.SSL.Cert, Key: c.SSL.Key, ServerName: c.SSL.ServerName,
		},
		Transport:   consul.Transport(c.Transport),
		MaxStale:    cfg.MaxStale,
		Connections: connections,
	}
	if c.Auth.On() {
		out.Username, out.Password = c.Auth.Username, c.Auth.Password
	}
	return out
}
