package funcs

import (
	"fmt"
	"regexp"

	"github.com/ctmpl/ctmpl/watch"
)

// CheckCall tells what is wrong with a call whose arguments are all known, for the
// functions that can say so without an answer to their queries.
func CheckCall(name string, args []string) error {
	if name == "regexMatch" || name == "regexReplaceAll" {
		if len(args) == 0 {
			return nil
		}
		if _, err := regexp.Compile(args[0]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	}
	check, ok := argumentChecks[name]
	if !ok || len(args) != 1 || args[0] == "" {
		return nil
	}
	_, err := check(args[0])
	return err
}

// argumentChecks read the argument of a query.
var argumentChecks = map[string]func(string) (watch.Query, error){
	"service":      watch.ParseService,
	"connect":      watch.ParseConnect,
	"services":     watch.ParseServices,
	"nodes":        watch.ParseNodes,
	"node":         watch.ParseNode,
	"key":          keyCheck("key"),
	"keyExists":    keyCheck("keyExists"),
	"keyOrDefault": keyCheck("keyOrDefault"),
	"ls":           prefixCheck("ls"),
	"safeLs":       prefixCheck("safeLs"),
	"tree":         prefixCheck("tree"),
	"safeTree":     prefixCheck("safeTree"),
}

func keyCheck(fn string) func(string) (watch.Query, error) {
	return func(arg string) (watch.Query, error) { return watch.ParseKey(fn, watch.KindKey, arg) }
}

func prefixCheck(fn string) func(string) (watch.Query, error) {
	return func(arg string) (watch.Query, error) { return watch.ParsePrefix(fn, arg) }
}
