package main

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ctmpl/ctmpl/cmd/ctmpl/config"
	"github.com/ctmpl/ctmpl/internal/conf"
)

// notCompared are the flags, and the keys of the configuration, that no case of
// testdata/compat-config uses, and why. What is below a key here is on the list, too.
var notCompared = map[string]string{
	"-catalog":      onlyOurs,
	"-check":        onlyOurs,
	"-diff":         onlyOurs,
	"-format":       onlyOurs,
	"-log-format":   onlyOurs,
	"-once-timeout": onlyOurs,
	"-reload":       onlyOurs,
	"-state-dir":    onlyOurs,
	"-var":          onlyOurs,
	"-verify":       onlyOurs,
	"-help":         "its text is another one",
	"-version":      "its text is another one",
	"catalog":       onlyOurs,
	"limits":        onlyOurs,
	"log_format":    onlyOurs,
	"once_timeout":  onlyOurs,

	"approve_signal":         onlyOurs,
	"group":                  onlyOurs,
	"guard":                  onlyOurs,
	"history":                onlyOurs,
	"max_reloads_per_minute": onlyOurs,
	"min_reload_interval":    onlyOurs,
	"nginx":                  onlyOurs,
	"on_drift":               onlyOurs,
	"reload_on":              onlyOurs,
	"state_dir":              onlyOurs,
	"urgent":                 onlyOurs,
	"vars":                   onlyOurs,

	"template.check":                  onlyOurs,
	"template.check_timeout":          onlyOurs,
	"template.format":                 onlyOurs,
	"template.guard":                  onlyOurs,
	"template.max_reloads_per_minute": onlyOurs,
	"template.min_reload_interval":    onlyOurs,
	"template.nginx":                  onlyOurs,
	"template.on_drift":               onlyOurs,
	"template.reload":                 onlyOurs,
	"template.reload_on":              onlyOurs,
	"template.urgent":                 onlyOurs,
	"template.vars":                   onlyOurs,
	"template.verify":                 onlyOurs,
	"template.verify_timeout":         onlyOurs,
}

const onlyOurs = "consul-template does not have it"

// Whatever one can configure is compared with consul-template, or there is a reason.
func TestEveryFlagAndKeyIsCompared(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	for _, c := range configCases(t) {
		c.uses(used)
	}
	known := keys(reflect.TypeFor[config.Config](), "")
	for _, group := range options {
		for _, o := range group.list {
			known = append(known, "-"+o.name)
		}
	}
	for _, name := range known {
		switch listed := isListed(name); {
		case used[name] && listed:
			t.Errorf("%s is compared: take it off the list", name)
		case !used[name] && !listed:
			t.Errorf("%s is used by no case of testdata/compat-config: add one, or say in notCompared why there is none", name)
		}
	}
	for name := range notCompared {
		if !slices.Contains(known, name) {
			t.Errorf("%s is not known any more: take it off the list", name)
		}
	}
	t.Logf("%d flags and keys", len(known))
}

func isListed(name string) bool {
	for {
		if _, ok := notCompared[name]; ok {
			return true
		}
		i := strings.LastIndexByte(name, '.')
		if i < 0 {
			return false
		}
		name = name[:i]
	}
}

// uses adds the flags of the command lines and the keys of the configurations.
func (c configCase) uses(used map[string]bool) {
	for _, line := range c.lines {
		verb, rest, _ := strings.Cut(line, " ")
		switch verb {
		case "run", "start", "bare":
			used["-consul-addr"] = used["-consul-addr"] || verb != "bare"
			for _, word := range words(rest) {
				if name, ok := strings.CutPrefix(word, "-"); ok {
					name, _, _ = strings.Cut(strings.TrimPrefix(name, "-"), "=")
					used["-"+name] = true
				}
			}
		}
	}
	for _, f := range c.files {
		if strings.HasSuffix(f.Name, ".hcl") || strings.HasSuffix(f.Name, ".json") {
			if v, err := conf.Parse(f.Name, f.Data); err == nil { // some are bad on purpose
				mark(v, "", used)
			}
		}
	}
}

// mark adds the keys of a value.
func mark(v conf.Value, path string, used map[string]bool) {
	for _, item := range v.List {
		mark(item, path, used)
	}
	for _, m := range v.Object {
		key := below(path, m.Name)
		used[key] = true
		mark(m.Value, key, used)
	}
}

// keys gives the keys that a struct takes, and those of the structs in it.
func keys(typ reflect.Type, path string) []string {
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
		typ = typ.Elem()
	}
	if typ.Kind() != reflect.Struct {
		return nil
	}
	var list []string
	for _, field := range reflect.VisibleFields(typ) {
		tag := field.Tag.Get("conf")
		if tag == "" {
			continue
		}
		for name := range strings.SplitSeq(tag, ",") {
			key := below(path, name)
			list = append(list, key)
			list = append(list, keys(field.Type, key)...)
		}
	}
	return list
}

func below(path, name string) string { return strings.TrimPrefix(path+"."+name, ".") }
