package config

import (
	"errors"
	"fmt"
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
	if s.ofTemplate() {
		return nil // when all templates are known: see forOneTemplate
	}
	if list := c.list(s.Path); list != nil {
		*list = append(*list, s.Value) // which may hold commas
		return nil
	}
	switch s.Path {
	case "template":
		t, err := ParseTemplate(s.Value)
		if err != nil {
			return fmt.Errorf("-%s: %w", s.Flag, err)
		}
		t.Pos.File = "-" + s.Flag
		c.Templates = append(c.Templates, t)
		return nil
	case "vars":
		return c.addVar(s)
	case "exec.command":
		on := true // whatever a file says
		c.Exec.Enabled = &on
	case "template_error_fatal":
		for i := range c.Templates {
			c.Templates[i].ErrorFatal = nil // the flag counts for all of them
		}
	}
	return d.Decode(conf.At(conf.Pos{File: "-" + s.Flag}, s.Path, s.Value), c, "")
}

// list gives the list that a flag adds to, one value each time.
func (c *Config) list(path string) *Strings {
	switch path {
	case "exec.env.custom":
		return &c.Exec.Env.Custom
	case "exec.env.allowlist":
		return &c.Exec.Env.Allowlist
	case "exec.env.denylist":
		return &c.Exec.Env.Denylist
	}
	return nil
}

// ofTemplate tells whether the key is one of a template.
func (s Setting) ofTemplate() bool { return strings.HasPrefix(s.Path, "template.") }

// forOneTemplate applies the settings that belong to the template, when there is just
// one.
func (c *Config) forOneTemplate(d *conf.Decoder, settings []Setting) error {
	for _, s := range settings {
		if !s.ofTemplate() {
			continue
		}
		if n := len(c.Templates); n != 1 {
			return fmt.Errorf("-%s goes with one template, and there are %d: say it in a configuration file", s.Flag, n)
		}
		if err := s.decode(d, &c.Templates[0]); err != nil {
			return err
		}
	}
	return nil
}

// decode decodes a setting that belongs to a template.
func (s Setting) decode(d *conf.Decoder, t *Template) error {
	pos := t.Pos // stays
	defer func() { t.Pos = pos }()
	key := strings.TrimPrefix(s.Path, "template.")
	return d.Decode(conf.At(conf.Pos{File: "-" + s.Flag}, key, s.Value), t, "template")
}

// Check tells whether the value of a flag can be read, without applying it.
func (s Setting) Check() error {
	if s.ofTemplate() {
		return s.decode(&conf.Decoder{}, &Template{})
	}
	return s.apply(&conf.Decoder{}, Defaults())
}

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
