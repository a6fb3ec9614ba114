package consul

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

// Config says how to reach an agent. What is left empty comes from the
// environment variables that github.com/hashicorp/consul/api reads
// (CONSUL_HTTP_ADDR, CONSUL_HTTP_TOKEN, CONSUL_CACERT, …).
type Config struct {
	Address   string
	Namespace string
	Username  string // of HTTP basic authentication
	Password  string
	Token     string
	TokenFile string
	TLS       TLS
	Transport Transport

	MaxStale    time.Duration // 0 reads from the leader only
	Connections int           // the most that may be open at once, 0 for no limit
}

// TLS is what an HTTPS connection needs. Verify nil leaves it to the environment.
type TLS struct {
	Enabled    *bool
	Verify     *bool
	CACert     string // a file
	CACertPEM  string
	CAPath     string
	Cert       string
	Key        string
	ServerName string
}

// Transport tunes the connections; zero takes net/http's usual values.
type Transport struct {
	DialKeepAlive       time.Duration
	DialTimeout         time.Duration
	DisableKeepAlives   bool
	IdleConnTimeout     time.Duration
	MaxIdleConns        int
	MaxIdleConnsPerHost int
	MaxConnsPerHost     int
	TLSHandshakeTimeout time.Duration
}

// New makes a source. It reads certificate and token files, but does not connect.
func New(cfg Config) (*Source, error) {
	c := clientConfig(cfg)
	source := &Source{addr: c.Address, maxStale: cfg.MaxStale, silence: silence, poll: pollTime}
	c.Transport = transport(cfg)
	if path, ok := strings.CutPrefix(c.Address, "unix://"); ok {
		overSocket(c, path)
	}
	var err error
	// The client would let the environment win over what is configured.
	if c.Transport.TLSClientConfig, err = api.SetupTLSConfig(&c.TLSConfig); err != nil {
		return nil, fmt.Errorf("cannot set up TLS for Consul: %w", err)
	}
	if source.client, err = api.NewClient(c); err != nil {
		return nil, fmt.Errorf("cannot set up the Consul client: %w", err)
	}
	source.hide, source.anonymous = secrets(c), c.Token == ""
	source.transport = c.Transport
	return source, nil
}

// clientConfig is the configuration of the client: that of the environment, with cfg
// over it.
func clientConfig(cfg Config) *api.Config {
	c := api.DefaultConfig()
	override(&c.Address, cfg.Address)
	override(&c.Namespace, cfg.Namespace)
	override(&c.Token, cfg.Token)
	override(&c.TokenFile, cfg.TokenFile)
	takeUser(c)
	if cfg.Username != "" {
		c.HttpAuth = &api.HttpBasicAuth{Username: cfg.Username, Password: cfg.Password}
	}
	setTLS(c, cfg.TLS)
	return c
}

// takeUser moves user and password from the address to where the client looks for
// them: an address is shown in messages.
func takeUser(c *api.Config) {
	scheme, rest, ok := strings.Cut(c.Address, "://")
	if !ok {
		scheme, rest = "", c.Address
	} else if scheme += "://"; scheme == "unix://" {
		return
	}
	host, path, _ := strings.Cut(rest, "/")
	at := strings.LastIndex(host, "@")
	if at < 0 {
		return
	}
	name, password, _ := strings.Cut(host[:at], ":")
	c.HttpAuth = &api.HttpBasicAuth{Username: unescape(name), Password: unescape(password)}
	if c.Address = scheme + host[at+1:]; path != "" {
		c.Address += "/" + path
	}
}

func unescape(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}

// overSocket has the transport connect to a unix socket. The client can do that by
// itself, but then without a limit to the connections and without keeping them.
func overSocket(c *api.Config, path string) {
	dial := c.Transport.DialContext
	c.Transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, "unix", path) }
	c.Address = "localhost" // which no proxy is asked for
}

// secrets gives what replaces the secrets that the client sends, should somebody
// send them back in an error page.
func secrets(c *api.Config) *strings.Replacer {
	var pairs []string
	add := func(secret string) {
		if secret != "" {
			pairs = append(pairs, secret, "…")
		}
	}
	add(c.Token)
	if c.HttpAuth != nil {
		add(c.HttpAuth.Password)
	}
	return strings.NewReplacer(pairs...)
}

func override(field *string, value string) {
	if value != "" {
		*field = value
	}
}

func setTLS(c *api.Config, cfg TLS) {
	if cfg.Enabled != nil {
		c.Scheme = "http"
		if *cfg.Enabled {
			c.Scheme = "https"
		}
	}
	if cfg.Verify != nil {
		c.TLSConfig.InsecureSkipVerify = !*cfg.Verify
	}
	if cfg.CACert+cfg.CACertPEM+cfg.CAPath != "" { // in place of all that the environment has
		c.TLSConfig.CAFile, c.TLSConfig.CAPem, c.TLSConfig.CAPath = cfg.CACert, []byte(cfg.CACertPEM), cfg.CAPath
	}
	override(&c.TLSConfig.CertFile, cfg.Cert)
	override(&c.TLSConfig.KeyFile, cfg.Key)
	override(&c.TLSConfig.Address, cfg.ServerName)
}

// transport keeps as many connections as the budget allows, and no more: a
// query that waits for a connection is better than an agent that refuses one.
func transport(cfg Config) *http.Transport {
	t := cfg.Transport
	dialer := &net.Dialer{Timeout: positive(t.DialTimeout, 30*time.Second), KeepAlive: positive(t.DialKeepAlive, 30*time.Second)}
	tr := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dialer.DialContext,
		DisableKeepAlives:   t.DisableKeepAlives,
		IdleConnTimeout:     positive(t.IdleConnTimeout, 90*time.Second),
		TLSHandshakeTimeout: positive(t.TLSHandshakeTimeout, 10*time.Second),
		MaxIdleConns:        t.MaxIdleConns,
		MaxIdleConnsPerHost: cfg.Connections,
		MaxConnsPerHost:     cfg.Connections,
	}
	if t.MaxIdleConnsPerHost > 0 {
		tr.MaxIdleConnsPerHost = t.MaxIdleConnsPerHost
	}
	if t.MaxConnsPerHost > 0 && (cfg.Connections == 0 || t.MaxConnsPerHost < cfg.Connections) {
		tr.MaxConnsPerHost = t.MaxConnsPerHost
	}
	return tr
}

func positive(d, def time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return def
}

// Files gives the files that New reads for cfg: token and certificates. A new
// source has to be made when they change.
func Files(cfg Config) []string {
	c := clientConfig(cfg)
	tls := c.TLSConfig
	files := []string{c.TokenFile, tls.CAFile, tls.CAPath, tls.CertFile, tls.KeyFile}
	return slices.DeleteFunc(files, func(path string) bool { return path == "" })
}
