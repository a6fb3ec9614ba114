package config

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"
)

// Nginx says how to check and reload nginx. What is "" is found from the nginx that
// runs.
type Nginx struct {
	Binary        Path          `conf:"binary"`
	Config        Path          `conf:"config"`
	Prefix        Path          `conf:"prefix"`
	PidFile       Path          `conf:"pid_file"`
	CheckTimeout  time.Duration `conf:"check_timeout"`
	ReloadTimeout time.Duration `conf:"reload_timeout"`
	MaxDraining   int           `conf:"max_draining" min:"-1"` // workers that still end, for each that serves; -1: no bound
	CheckMethod   CheckMethod   `conf:"check_method"`
	VersionURL    VersionURL    `conf:"version_url"`
}

func (Nginx) blockName() string { return "nginx" }

// NginxOf gives what counts for a template.
func (c *Config) NginxOf(t *Template) Nginx {
	n := Nginx{MaxDraining: 8}
	for _, level := range c.levels(t) {
		level.Nginx.over(&n)
	}
	n.CheckTimeout = cmp.Or(n.CheckTimeout, probeTimeout)
	n.ReloadTimeout = cmp.Or(n.ReloadTimeout, probeTimeout)
	n.CheckMethod = cmp.Or(n.CheckMethod, CheckAuto)
	return n
}

// Path is an absolute path, or "".
type Path string

// UnmarshalText reads one.
func (p *Path) UnmarshalText(text []byte) error {
	if len(text) > 0 && !filepath.IsAbs(string(text)) {
		return fmt.Errorf("%q is not absolute: want a path that begins with /", text)
	}
	*p = Path(text)
	return nil
}

// CheckMethod is where nginx finds the files to check.
type CheckMethod string

// The methods: what is possible, in an overlay over the live files, in a copy of their
// tree, or in place.
const (
	CheckAuto    CheckMethod = "auto"
	CheckOverlay CheckMethod = "overlay"
	CheckTree    CheckMethod = "tree"
	CheckLive    CheckMethod = "live"
)

// UnmarshalText reads the name of a method.
func (m *CheckMethod) UnmarshalText(text []byte) error {
	return oneOf(m, text, CheckAuto, CheckOverlay, CheckTree, CheckLive)
}

// VersionURL is where nginx tells the version of its configuration:
// http://host:port/path, or unix:/path.sock:/uri, or "".
type VersionURL string

// UnmarshalText reads one.
func (u *VersionURL) UnmarshalText(text []byte) error {
	s := string(text)
	if s != "" && !isHTTP(s) && !isSocket(s) {
		return errors.New("want http://host:port/path or unix:/path.sock:/uri")
	}
	*u = VersionURL(s)
	return nil
}

func isHTTP(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "http" && u.Hostname() != "" && u.User == nil
}

func isSocket(s string) bool {
	rest, ok := strings.CutPrefix(s, "unix:")
	socket, uri, both := strings.Cut(rest, ":")
	return ok && both && filepath.IsAbs(socket) && strings.HasPrefix(uri, "/")
}
