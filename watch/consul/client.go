package consul

import (
	"context"
	"fmt"
	"log/slog"
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

	MaxStale          time.Duration // 0 reads from the leader only
	Connections       int           // the most that may be open at once, 160 by default
	RequestsPerSecond int           // the most that are begun in a second, 0 for any number
	Log               *slog.Logger  // nil for none
}

// defaultConnections leaves some of the 200 connections that an agent allows one address
// (limits.http_max_conns_per_client) to others there.
const defaultConnections = 160

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
	source := &Source{addr: c.Address, maxStale: cfg.MaxStale, silence: silence, poll: pollTime, patrol: patrolGap, bucket: newBucket(cfg.RequestsPerSecond), turns: make(chan struct{}, atFirst), lists: newLists()}
	tr := transport(cfg)
	tr.DisableCompression = onThisMachine(c.Address)
	if path, ok := strings.CutPrefix(c.Address, "unix://"); ok {
		overSocket(c, tr, path)
	}
	var err error
	// The client would let the environment win over what is configured.
	if tr.TLSClientConfig, err = api.SetupTLSConfig(&c.TLSConfig); err != nil {
		return nil, fmt.Errorf("cannot set up TLS for Consul: %w", err)
	}
	https := c.Scheme == "https" || strings.HasPrefix(c.Address, "https://")
	log, name := logger(cfg.Log), "Consul at "+source.addr
	source.log, source.cuts = log, cuts{log: log, name: name}
	var sample *http.Request
	if source.target, sample, err = newTarget(c); err != nil {
		return nil, fmt.Errorf("cannot set up the Consul client: %w", err)
	}
	source.transport = newCounted(newBudget(tr.MaxConnsPerHost, https, name, log), tr, sample.URL.Host)
	c.HttpClient = &http.Client{Transport: source.transport}
	if source.client, err = api.NewClient(c); err != nil {
		return nil, fmt.Errorf("cannot set up the Consul client: %w", err)
	}
	source.hide, source.anonymous = secrets(c), c.Token == ""
	proxy, err := tr.Proxy(sample)
	source.proxied = proxy != nil || err != nil
	return source, nil
}

// onThisMachine tells whether an agent is here: to compress what it sends would take longer
// than to send it, of both.
func onThisMachine(address string) bool {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		rest = address
	} else if scheme == "unix" {
		return true
	}
	host, _, _ := strings.Cut(rest, "/")
	name := (&url.URL{Host: host}).Hostname()
	return name == "localhost" || net.ParseIP(name).IsLoopback()
}

func logger(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
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
func overSocket(c *api.Config, tr *http.Transport, path string) {
	dial := tr.DialContext
	tr.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, "unix", path) }
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
	t, connections := cfg.Transport, positive(cfg.Connections, defaultConnections)
	dialer := &net.Dialer{Timeout: positive(t.DialTimeout, 30*time.Second), KeepAlive: positive(t.DialKeepAlive, 30*time.Second)}
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dialer.DialContext,
		DisableKeepAlives:   t.DisableKeepAlives,
		IdleConnTimeout:     positive(t.IdleConnTimeout, 90*time.Second),
		TLSHandshakeTimeout: positive(t.TLSHandshakeTimeout, 10*time.Second),
		MaxIdleConns:        t.MaxIdleConns,
		MaxIdleConnsPerHost: positive(t.MaxIdleConnsPerHost, connections),
		MaxConnsPerHost:     min(positive(t.MaxConnsPerHost, connections), connections),
	}
}

func positive[T ~int | ~int64](n, def T) T {
	if n > 0 {
		return n
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
