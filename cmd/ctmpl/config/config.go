// Package config is what a user can configure, as plain values.
//
// What it guarantees:
//
//   - Names and meanings are those of consul-template's configuration, in HCL and
//     in JSON.
//   - Several files merge: a later one wins, templates add up, a directory is read
//     in lexical order. Flags win over files, files over the environment.
//   - What the top level, a group and a template can say counts as it is said at the
//     innermost level, key by key: see Config.GuardOf and its like.
//   - An error names file, line and column, and an unknown key the nearest known one.
//   - What consul-template has and ctmpl does not have yet is refused with a line
//     that says so. It is never ignored.
package config

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/ctmpl/ctmpl/internal/conf"
)

// Config is a whole configuration. The conf tags are the names in files.
type Config struct {
	Rollout
	Consul             Consul        `conf:"consul"`
	Templates          []Template    `conf:"template"`
	Wait               Wait          `conf:"wait"`
	LogLevel           LogLevel      `conf:"log_level"`
	MaxStale           time.Duration `conf:"max_stale"`
	BlockQueryWait     time.Duration `conf:"block_query_wait"`
	Delimiters         Delimiters    `conf:"default_delimiters"`
	TemplateErrorFatal bool          `conf:"template_error_fatal"`
	Once               bool          `conf:"once"`
	OnceTimeout        time.Duration `conf:"once_timeout"` // 0: wait for as long as it takes
	ParseOnly          bool          `conf:"parse_only,parseonly"`
	Exec               Exec          `conf:"exec"`
	KillSignal         Signal        `conf:"kill_signal"`
	ReloadSignal       Signal        `conf:"reload_signal"`
	PidFile            string        `conf:"pid_file"`
	LogFile            LogFile       `conf:"log_file"`
	LogFormat          LogFormat     `conf:"log_format"`
	Syslog             Syslog        `conf:"syslog"`
	Limits             Limits        `conf:"limits"`
	// Catalog is a file or directory that takes the place of Consul.
	Catalog string `conf:"catalog"`
	// Vars are the variables of all templates, and FlagVars those that were given by
	// flags: see VarsOf.
	Vars     map[string]string `conf:"vars"`
	FlagVars map[string]string

	// Groups are the templates that are rolled out as one, by name.
	Groups map[string]Group `conf:"group"`
	// StateDir is where last good outputs are kept: see StatePath.
	StateDir string `conf:"state_dir"`
	// History is how many of them there are for each target.
	History int `conf:"history" min:"1"`
	// ApproveSignal approves what a guard holds.
	ApproveSignal Signal `conf:"approve_signal"`

	// ErrOnFailedLookup is read, and has no effect, as in consul-template's program.
	ErrOnFailedLookup bool `conf:"err_on_failed_lookup"`
}

// Consul says how to reach the agent. What is empty comes from the environment.
type Consul struct {
	Address   string    `conf:"address"`
	Namespace string    `conf:"namespace"`
	Token     string    `conf:"token"`
	TokenFile string    `conf:"token_file"`
	Auth      Auth      `conf:"auth"`
	Retry     Retry     `conf:"retry"`
	SSL       SSL       `conf:"ssl"`
	Transport Transport `conf:"transport"`
}

// Auth is HTTP basic authentication.
type Auth struct {
	Enabled  *bool  `conf:"enabled"` // nil: when there is a user name
	Username string `conf:"username"`
	Password string `conf:"password"`
}

// On tells whether to authenticate.
func (a Auth) On() bool {
	if a.Enabled != nil {
		return *a.Enabled
	}
	return a.Username != ""
}

// Retry is how failed queries are asked again.
type Retry struct {
	Enabled    bool          `conf:"enabled"`
	Attempts   int           `conf:"attempts"` // 0 is without end
	Backoff    time.Duration `conf:"backoff"`
	MaxBackoff time.Duration `conf:"max_backoff"`
}

// SSL is what HTTPS needs.
type SSL struct {
	Enabled     *bool  `conf:"enabled"` // nil: see On
	Verify      *bool  `conf:"verify"`
	CACert      string `conf:"ca_cert"`
	CACertBytes string `conf:"ca_cert_bytes"`
	CAPath      string `conf:"ca_path"`
	Cert        string `conf:"cert"`
	Key         string `conf:"key"`
	ServerName  string `conf:"server_name"`
}

// On tells whether to use HTTPS: when that, or anything that it needs, is said.
func (s SSL) On() bool {
	if s.Enabled != nil {
		return *s.Enabled
	}
	return s.Verify != nil || s.CACert+s.CACertBytes+s.CAPath+s.Cert+s.Key+s.ServerName != ""
}

// Transport tunes the connections; zero takes the default.
type Transport struct {
	DialKeepAlive       time.Duration `conf:"dial_keep_alive"`
	DialTimeout         time.Duration `conf:"dial_timeout"`
	DisableKeepAlives   bool          `conf:"disable_keep_alives"`
	IdleConnTimeout     time.Duration `conf:"idle_conn_timeout"`
	MaxIdleConns        int           `conf:"max_idle_conns"`
	MaxIdleConnsPerHost int           `conf:"max_idle_conns_per_host"`
	MaxConnsPerHost     int           `conf:"max_conns_per_host"`
	TLSHandshakeTimeout time.Duration `conf:"tls_handshake_timeout"`
}

// Delimiters are those of templates that do not set their own.
type Delimiters struct {
	Left  string `conf:"left"`
	Right string `conf:"right"`
}

// Defaults is the configuration before any file.
func Defaults() *Config {
	c := &Config{
		MaxStale:       2 * time.Second,
		BlockQueryWait: time.Minute,
		Consul:         Consul{Retry: Retry{Enabled: true, Backoff: 250 * time.Millisecond, MaxBackoff: time.Minute}},
		LogLevel:       LogLevel{Name: "INFO"},
		LogFormat:      LogText,
		LogFile:        LogFile{RotateDuration: 24 * time.Hour},
		KillSignal:     Signal(syscall.SIGINT),
		ReloadSignal:   Signal(syscall.SIGHUP),
		ApproveSignal:  NoSignal,
		History:        3,
		Limits:         Limits{Connections: 160}, // of 200 that an agent allows all programs of a host
	}
	for _, name := range []string{"CT_LOG", "CONSUL_TEMPLATE_LOG", "CONSUL_TEMPLATE_LOG_LEVEL"} {
		if level := strings.TrimSpace(os.Getenv(name)); level != "" {
			_ = c.LogLevel.UnmarshalText([]byte(level)) // an unknown one is not worth a refusal
			break
		}
	}
	// Those with HTTP in their names are read by the client, and count less.
	c.Consul.Token, c.Consul.TokenFile = os.Getenv("CONSUL_TOKEN"), os.Getenv("CONSUL_TOKEN_FILE")
	return c
}

// Load reads what the files at the paths, or in them, say, then CT_LOCAL_CONFIG, which
// counts as part of the command line, and then applies the settings of that.
func Load(paths []string, settings []Setting) (*Config, error) {
	c := Defaults()
	decoder := &conf.Decoder{Explain: notYet}
	var errs []error
	for _, path := range paths {
		files, err := conf.Files(path)
		if err != nil {
			errs = append(errs, fmt.Errorf("cannot read the configuration: %w", err))
		}
		for _, file := range files {
			src, err := os.ReadFile(file)
			if err == nil {
				err = c.parse(decoder, file, src)
			}
			errs = append(errs, err)
		}
	}
	if text := os.Getenv("CT_LOCAL_CONFIG"); text != "" {
		errs = append(errs, c.parse(decoder, "CT_LOCAL_CONFIG", []byte(text)))
	}
	for _, s := range settings {
		errs = append(errs, s.apply(decoder, c))
	}
	errs = append(errs, c.forOneTemplate(decoder, settings))
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	c.assign()
	return c, c.check()
}

func (c *Config) parse(d *conf.Decoder, name string, src []byte) error {
	v, err := conf.Parse(name, src)
	if err != nil {
		return err
	}
	return d.Decode(v, c, "")
}

// check reports what is wrong with the configuration as a whole.
func (c *Config) check() error {
	var errs []error
	for i := range c.Templates {
		if err := c.Templates[i].check(c); err != nil {
			errs = append(errs, c.Templates[i].Pos.Errorf("template: %w", err))
		}
	}
	errs = append(errs, c.checkGroups(), c.checkApprove())
	if c.Consul.SSL.Cert == "" && c.Consul.SSL.Key != "" {
		errs = append(errs, errors.New("consul.ssl has a key but no cert: give both, or a cert that holds its key"))
	}
	return errors.Join(errs...)
}

// UnmarshalConf reads the block, or the address alone as old configurations have it.
func (c *Consul) UnmarshalConf(v conf.Value) error {
	if !v.IsObject() && !v.IsList() {
		address, err := v.String()
		if err != nil {
			return v.Pos.Errorf("consul: want a block, or the address: %w", err)
		}
		c.Address = address
		return nil
	}
	type plain Consul // without this method
	return (&conf.Decoder{}).Decode(v, (*plain)(c), "consul")
}
