package funcs

import (
	"errors"
	"fmt"
	"strings"
	"text/template"

	"github.com/davecgh/go-spew/spew"
	sockaddrtemplate "github.com/hashicorp/go-sockaddr/template"
)

// debugFuncs are the functions that show values with their types, and those about
// the machine. spew_dump and spew_printf write to the standard output and leave
// nothing in the rendered text.
func debugFuncs() template.FuncMap {
	return template.FuncMap{
		"sockaddr":     sockaddr,
		"spew_dump":    spewDump,
		"spew_printf":  spewPrintf,
		"spew_sdump":   spewer.Sdump,
		"spew_sprintf": spewer.Sprintf,
	}
}

// spewer has spew's default format, but sorted maps: the same data must render the
// same bytes, or each render would be a change.
var spewer = &spew.ConfigState{Indent: " ", SortKeys: true, SpewKeys: true}

func spewDump(values ...any) string {
	spewer.Dump(values...)
	return ""
}

func spewPrintf(format string, values ...any) string {
	_, _ = spewer.Printf(format, values...) // like fmt.Printf, nobody checks
	return ""
}

// sockaddr gives what a go-sockaddr template says about the addresses of this
// machine, as in sockaddr "GetPrivateIP". Several arguments are joined with
// blanks (https://pkg.go.dev/github.com/hashicorp/go-sockaddr/template).
func sockaddr(words ...string) (string, error) {
	text, err := sockaddrtemplate.Parse("{{ " + strings.Join(words, " ") + " }}")
	if err == nil {
		return text, nil
	}
	if cause := errors.Unwrap(err); cause != nil {
		err = cause // what is around it repeats the whole input
	}
	return "", fmt.Errorf("sockaddr: %w", err)
}
