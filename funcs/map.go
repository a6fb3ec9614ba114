package funcs

import (
	"errors"
	"maps"
	"os"
	"path"
	"reflect"
	"slices"
	"strings"
	"text/template"
)

// Options limit and extend the functions of one template.
type Options struct {
	// Env, "NAME=value" each, goes before the environment of the process in env.
	Env []string
	// Denied are names of functions, or patterns such as sprig_*, that give an
	// error when they are called. A function that has two names is denied by either.
	Denied []string
	// Sandbox is the directory that file may read from and writeToFile may write
	// to; everywhere when empty.
	Sandbox string
	// Vars are what var gives.
	Vars map[string]string
	// Stubs are names of functions to make up, so that a template which uses them
	// can be parsed. They cannot be called.
	Stubs []string
}

// Map gives all functions for one template. x is what they need of the execution
// that calls them; it has to be set before each execution, to a fresh one.
//
// Building and parsing with so many functions costs; a template keeps its map.
func Map(x *Execution, opt Options) template.FuncMap {
	all := maps.Clone(helpers())
	maps.Copy(all, nginxFuncs(x))
	maps.Copy(all, queryFuncs(x, opt.Sandbox))
	maps.Copy(all, executionFuncs(x, opt.Env, opt.Sandbox))
	maps.Copy(all, envFuncs(overlay(opt.Env)))
	all["var"] = variable(opt.Vars)
	maps.Copy(all, newRouter(x, opt).funcs())
	deny(all, opt.Denied)
	for _, name := range opt.Stubs {
		all[name] = func(...any) (any, error) { return nil, errors.New("there is no such function") }
	}
	return all
}

// Names lists all functions, sorted, with those that every Go template has.
func Names() []string {
	names := slices.AppendSeq(slices.Clone(builtins), maps.Keys(Map(nil, Options{})))
	slices.Sort(names)
	return names
}

// later are functions of consul-template that are to come.
var later = []string{
	"nomadService", "nomadServices", "nomadVar", "nomadVarExists", "nomadVarList", "nomadVarListSafe", "pkiCert", "secret",
	"secrets",
}

// Later tells whether consul-template has a function that is still to come here.
func Later(name string) bool { return slices.Contains(later, name) }

// Quotes tells whether the errors of a function may quote its arguments: those of
// libraries do.
func Quotes(name string) bool {
	return name == "sockaddr" || strings.HasPrefix(name, "sprig_") || len(aliases(name)) > 0
}

var errDenied = errors.New("the function is denied by function_denylist")

// deny replaces what the patterns match, under each of its names.
func deny(all template.FuncMap, patterns []string) {
	if len(patterns) == 0 {
		return
	}
	denied := func(...any) (any, error) { return nil, errDenied }
	for _, name := range slices.Collect(maps.Keys(all)) {
		if !matches(patterns, name) {
			continue
		}
		for _, alias := range aliases(name) {
			all[alias] = denied
		}
		all[name] = denied
	}
}

// aliases are the other names of a function: those of sprig have a prefix, and
// none where the name is free.
func aliases(name string) []string {
	other, isSprig := strings.CutPrefix(name, "sprig_")
	if !isSprig {
		other = "sprig_" + name
	}
	fn, ok := helpers()[name]
	twin, both := helpers()[other]
	if ok && both && reflect.ValueOf(fn).Pointer() == reflect.ValueOf(twin).Pointer() {
		return []string{other}
	}
	return nil
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, name)
		return ok && err == nil
	})
}

// overlay looks a variable up in env, then in the environment of the process.
func overlay(env []string) func(string) (string, bool) {
	own := map[string]string{}
	for _, entry := range env {
		name, value, _ := strings.Cut(entry, "=")
		own[name] = value
	}
	return func(name string) (string, bool) {
		if v, ok := own[name]; ok {
			return v, true
		}
		return os.LookupEnv(name)
	}
}
