package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/ctmpl/ctmpl/cmd/ctmpl/config"
	"github.com/ctmpl/ctmpl/funcs"
	"github.com/ctmpl/ctmpl/internal/conf"
	"github.com/ctmpl/ctmpl/render"
	"github.com/ctmpl/ctmpl/templates"
)

// unknownVars reports variables that are given and that no template reads: they are
// misspelled mostly. Those of a template are for itself, the others for all.
func unknownVars(cfg *config.Config, specs []render.Spec) error {
	var errs []error
	var all []string
	every := true // it is known which there are
	for i, s := range specs {
		t := &cfg.Templates[i]
		if len(t.Vars)+len(cfg.Vars)+len(cfg.FlagVars) == 0 {
			continue
		}
		names, ok := render.Vars(s)
		all, every = append(all, names...), every && ok
		if templates.Named(t.Source) {
			errs = append(errs, badVars(cfg, t, names))
		}
		if ok {
			errs = append(errs, unread(t.Vars, names, func(text string) error { return &configError{t.Pos.Errorf("%s", text)} }))
		}
	}
	if every {
		errs = append(errs, unread(cfg.Vars, all, func(text string) error { return &configError{errors.New("vars: " + text)} }))
		errs = append(errs, unread(cfg.FlagVars, all, func(text string) error { return &configError{errors.New("-var: " + text)} }))
	}
	return errors.Join(errs...)
}

// badVars gives an error for each variable of a shipped template with a value that is not
// for it, where it was said.
func badVars(cfg *config.Config, t *config.Template, names []string) error {
	var errs []error
	read := cfg.VarsOf(t)
	maps.DeleteFunc(read, func(name, _ string) bool { return !slices.Contains(names, name) })
	for _, bad := range funcs.CheckVars(read) {
		_, own := t.Vars[bad.Name]
		_, flag := cfg.FlagVars[bad.Name]
		switch {
		case flag:
			errs = append(errs, &configError{fmt.Errorf("-var: %w", bad)})
		case own:
			errs = append(errs, &configError{t.Pos.Errorf("%w", bad)})
		default:
			errs = append(errs, &configError{fmt.Errorf("vars: %w", bad)})
		}
	}
	return errors.Join(errs...)
}

// unread gives an error for each variable that is none of the names.
func unread(vars map[string]string, names []string, fail func(string) error) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		if !slices.Contains(names, name) {
			errs = append(errs, fail(fmt.Sprintf("no template reads the variable %.80q%s", name, conf.DidYouMean(name, slices.Clone(names)))))
		}
	}
	return errors.Join(errs...)
}
