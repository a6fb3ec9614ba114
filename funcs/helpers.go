package funcs

import (
	"fmt"
	"maps"
	"os"
	"sync"
	"text/template"
)

// helpers gives the functions that need nothing but their arguments and the
// environment of the process: consul-template's helpers, and sprig with and
// without its prefix. The map is shared; nobody may change it.
var helpers = sync.OnceValue(func() template.FuncMap {
	all := sprigFuncs()
	for _, group := range []template.FuncMap{
		textFuncs(),
		hashFuncs(),
		groupFuncs(),
		containsFuncs(),
		mapFuncs(),
		parseFuncs(),
		encodeFuncs(),
		mathFuncs(),
		{"loop": loop},
		envFuncs(os.LookupEnv),
		debugFuncs(),
	} {
		maps.Copy(all, group)
	}
	return all
})

// recovered makes an error out of a panic of a library that has no other way to
// say what it cannot do; context goes before its text. For use in a defer.
func recovered(context string, err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%s: %v", context, r)
	}
}
