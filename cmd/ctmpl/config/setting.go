package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ctmpl/ctmpl/internal/conf"
)

// Setting is one flag of the command line that stands for a key of the
// configuration.
type Setting struct {
	Flag  string // its name, for errors
	Path  string // the key: consul.retry.attempts
	Value string
}

func (s Setting) apply(d *conf.Decoder, c *Config) error {
	if s.Path == "template" {
		t, err := ParseTemplate(s.Value)
		if err != nil {
			return fmt.Errorf("-%s: %w", s.Flag, err)
		}
		t.Pos.File = "-" + s.Flag
		c.Templates = append(c.Templates, t)
		return nil
	}
	return d.Decode(conf.At(conf.Pos{File: "-" + s.Flag}, s.Path, s.Value), c, "")
}

// Check tells whether the value of a flag can be read, without applying it.
func (s Setting) Check() error { return s.apply(&conf.Decoder{}, Defaults()) }

// ParseTemplate reads source[:destination[:command]], the argument of -template.
// The command may hold colons, and so may the drive letter of a path.
func ParseTemplate(s string) (Template, error) {
	if strings.TrimSpace(s) == "" {
		return Template{}, errors.New("is empty: want source:destination:command")
	}
	var t Template
	var rest string
	t.Source, rest = cutPath(s)
	t.Destination, rest = cutPath(rest)
	if rest != "" {
		t.Command = Command{rest}
	}
	if t.Source == "" {
		return Template{}, fmt.Errorf("%q has no source: want source:destination:command", s)
	}
	return t, nil
}

// cutPath takes the first path off a list of paths with colons between them.
func cutPath(s string) (path, rest string) {
	from := 0
	if len(s) > 2 && s[1] == ':' && (s[2] == '\\' || s[2] == '/') && isLetter(s[0]) {
		from = 2 // C:\…
	}
	if i := strings.IndexByte(s[from:], ':'); i >= 0 {
		return s[:from+i], s[from+i+1:]
	}
	return s, ""
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// later are the parts of consul-template's configuration that are to come.
var later = []string{
	"deduplicate", "err_on_failed_lookup", "exec", "kill_signal", "log_file", "nomad", "parse_only", "pid_file",
	"reload_signal", "syslog", "vault",
}

// errNotYet says that consul-template has something which ctmpl does not have yet.
var errNotYet = errors.New("is not supported yet")

// notYet refuses what is to come with a line that says so.
func notYet(path, name string, _ conf.Value) error {
	if path == "" && slices.Contains(later, name) || path == "template.exec" && slices.Contains([]string{"env", "kill_signal", "kill_timeout", "reload_signal", "splay"}, name) {
		return errNotYet
	}
	return conf.ErrUnknown
}
