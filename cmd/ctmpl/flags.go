package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/ctmpl/ctmpl/cmd/ctmpl/config"
	"github.com/ctmpl/ctmpl/internal/conf"
)

// flags is the command line.
type flags struct {
	configs  []string
	settings []config.Setting
	dry      bool
	help     bool
	version  bool
}

// option is one flag that stands for a key of the configuration.
type option struct {
	name, path string // without a path the flag only heads a group
	arg        string // what its value is called; a truth value without
	help       string
}

// options are the flags by group, in the order of the help text.
var options = []struct {
	title string
	list  []option
}{
	{"What to render", []option{
		{"template", "template", "SRC:DEST:CMD", "a template, where its output goes, and a command to run when that changes; repeatable"},
		{"config", "", "PATH", "a configuration file, or a directory of them; repeatable, later ones win"},
		{"dry", "", "", "print the output in place of writing it, and run no command"},
		{"once", "once", "", "render everything once, then exit"},
		{"wait", "wait", "MIN[:MAX]", "wait for this long without a change before rendering again, at the most for MAX (4 × MIN)"},
		{"default-left-delimiter", "default_delimiters.left", "TEXT", `begins an action in templates ("{{")`},
		{"default-right-delimiter", "default_delimiters.right", "TEXT", `ends an action in templates ("}}")`},
		{"template-error-fatal", "template_error_fatal", "", "exit when a template fails, in place of going on with the others"},
	}},
	{"Where the data comes from", []option{
		{"catalog", "catalog", "PATH", "a catalog file or directory that takes the place of Consul"},
		{"consul-addr", "consul.address", "ADDR", "the Consul agent (CONSUL_HTTP_ADDR, or localhost:8500)"},
		{"consul-token", "consul.token", "TOKEN", "the ACL token (CONSUL_HTTP_TOKEN)"},
		{"consul-token-file", "consul.token_file", "FILE", "a file that holds the ACL token (CONSUL_HTTP_TOKEN_FILE)"},
		{"consul-auth", "", "USER:PASSWORD", "HTTP basic authentication (CONSUL_HTTP_AUTH)"},
		{"max-stale", "max_stale", "TIME", "how far the answering server may be behind the leader (2s); 0 asks the leader only"},
		{"retry", "consul.retry.backoff", "TIME", "the same as -consul-retry-backoff"},
		{"consul-retry", "consul.retry.enabled", "", "ask again what failed (true)"},
		{"consul-retry-attempts", "consul.retry.attempts", "N", "exit after N failures in a row (0: go on for ever)"},
		{"consul-retry-backoff", "consul.retry.backoff", "TIME", "the first wait after a failure, doubled each time (250ms)"},
		{"consul-retry-max-backoff", "consul.retry.max_backoff", "TIME", "the longest wait (1m)"},
	}},
	{"HTTPS and connections to Consul", []option{
		{"consul-ssl", "consul.ssl.enabled", "", "use HTTPS (CONSUL_HTTP_SSL)"},
		{"consul-ssl-verify", "consul.ssl.verify", "", "verify the certificate (CONSUL_HTTP_SSL_VERIFY)"},
		{"consul-ssl-ca-cert", "consul.ssl.ca_cert", "FILE", "the certificate of the authority (CONSUL_CACERT)"},
		{"consul-ssl-ca-path", "consul.ssl.ca_path", "DIR", "a directory of them (CONSUL_CAPATH)"},
		{"consul-ssl-cert", "consul.ssl.cert", "FILE", "the client's certificate (CONSUL_CLIENT_CERT)"},
		{"consul-ssl-key", "consul.ssl.key", "FILE", "the client's key (CONSUL_CLIENT_KEY)"},
		{"consul-ssl-server-name", "consul.ssl.server_name", "NAME", "the name in the server's certificate (CONSUL_TLS_SERVER_NAME)"},
		{"consul-transport-dial-keep-alive", "consul.transport.dial_keep_alive", "TIME", "the interval of TCP keep-alives (30s)"},
		{"consul-transport-dial-timeout", "consul.transport.dial_timeout", "TIME", "the longest wait for a connection (30s)"},
		{"consul-transport-disable-keep-alives", "consul.transport.disable_keep_alives", "", "a new connection for each request"},
		{"consul-transport-max-idle-conns-per-host", "consul.transport.max_idle_conns_per_host", "N", "connections kept open while idle"},
		{"consul-transport-tls-handshake-timeout", "consul.transport.tls_handshake_timeout", "TIME", "the longest TLS handshake (10s)"},
	}},
	{"The program", []option{
		{"log-level", "log_level", "LEVEL", "trace, debug, info, warn or err (info)"},
		{"help", "", "", "print this text; also -h"},
		{"version", "", "", "print the version; also -v"},
	}},
}

// laterFlags are flags of consul-template that are to come.
var laterFlags = []string{
	"dedup", "exec", "kill-signal", "log-file", "log-rotate-bytes", "log-rotate-duration", "log-rotate-max-files", "parse-only",
	"pid-file", "reload-signal", "syslog", "syslog-facility", "syslog-name",
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
	for _, later := range laterFlags {
		if name == later || strings.HasPrefix(name, "exec-") {
			return fmt.Errorf("the flag -%s of consul-template is not supported yet", name)
		}
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
