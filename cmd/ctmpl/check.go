package main

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"

	"github.com/ctmpl/ctmpl/cmd/ctmpl/config"
	"github.com/ctmpl/ctmpl/render"
	"github.com/ctmpl/ctmpl/templates"
)

// check is the command that reads configuration and templates and says all that is
// wrong with them. It asks nobody and writes nothing.
func (m *Main) check(args []string) int {
	flags, cfg, code := m.configure(args)
	if cfg == nil {
		return code
	}
	if code := m.inspect(cfg, flags); code != exitOK {
		return code
	}
	fmt.Fprintf(m.Stdout, "ok: %s\n", count(len(cfg.Templates), "template"))
	return exitOK
}

// parseOnly is check as consul-template has it: it says nothing when all is well.
func (m *Main) parseOnly(cfg *config.Config, flags *flags) int { return m.inspect(cfg, flags) }

// inspect prints what is wrong with a configuration and its templates.
func (m *Main) inspect(cfg *config.Config, flags *flags) int {
	specs, err := specs(cfg, flags, newDrivers(slog.New(slog.DiscardHandler)))
	if errors.Is(err, errNoTemplates) {
		return m.fail(exitRuntime, err)
	}
	var errs []error
	for _, s := range specs {
		errs = append(errs, render.Check(s))
	}
	for _, text := range conflicts(cfg, flags) {
		fmt.Fprintln(m.Stderr, "ctmpl: warning: "+text)
	}
	code := exitOK
	if err := errors.Join(errs...); err != nil {
		code = m.fail(exitRuntime, err)
	}
	if err != nil {
		code = m.fail(exitConfig, err)
	}
	return code
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// conflicts finds destinations that would be written to by more than their template.
func conflicts(cfg *config.Config, flags *flags) []string {
	uses := map[string]string{}
	for _, path := range flags.configs {
		uses[path] = "the configuration"
	}
	if cfg.Catalog != "" {
		uses[cfg.Catalog] = "the catalog"
	}
	for _, t := range cfg.Templates {
		if t.Source != "" && !templates.Named(t.Source) {
			uses[t.Source] = "a template"
		}
	}
	var found []string
	for _, t := range cfg.Templates {
		if t.Destination == "" {
			continue
		}
		if use, ok := uses[t.Destination]; ok {
			found = append(found, fmt.Sprintf("the destination %s of the template %s is also %s: give it one of its own",
				t.Destination, cmp.Or(t.Source, t.Pos.String()), use))
		}
		uses[t.Destination] = "the destination of another template"
	}
	return found
}
