package render

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"github.com/ctmpl/ctmpl/funcs"
)

// unsafeValue is a value that could change the structure of the configuration.
type unsafeValue struct {
	placedError
	value string // may be a secret
}

func (e *unsafeValue) Unwrap() error { return &e.placedError }

// noValue is what text/template prints in place of a value that there is not.
const noValue = "<no value>"

// checked gives an error when a text that stands for a value is not to be printed.
func checked(at spot, s string) error {
	what := harmful(s)
	if what == "" {
		return nil
	}
	if s == noValue {
		return &placedError{at, "there is no value to print"}
	}
	return &unsafeValue{placedError{at, "the value has " + what + ", which could change the structure of the configuration"}, s}
}

var nginxType = reflect.TypeFor[funcs.Nginx]()

// printed gives what text/template prints of v. It is the text itself that is
// checked, so nothing but it can be printed.
func printed(at spot, v reflect.Value) (string, error) {
	if v.IsValid() && v.Type() == nginxType {
		return v.String(), nil
	}
	s, err := textOf(v)
	if err != nil {
		return "", &placedError{at, err.Error()}
	}
	return s, checked(at, s)
}

var (
	errorType    = reflect.TypeFor[error]()
	stringerType = reflect.TypeFor[fmt.Stringer]()
)

// speaks tells whether values of a type say themselves how they are printed.
func speaks(t reflect.Type) bool { return t.Implements(errorType) || t.Implements(stringerType) }

// textOf gives what printValue of text/template prints.
func textOf(v reflect.Value) (string, error) {
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	if !v.IsValid() {
		return noValue, nil
	}
	switch t := v.Type(); {
	case speaks(t):
	case v.CanAddr() && speaks(reflect.PointerTo(t)):
		v = v.Addr()
	case t.Kind() == reflect.Chan || t.Kind() == reflect.Func:
		return "", fmt.Errorf("a value of type %s cannot be printed", t)
	}
	return fmt.Sprint(v.Interface()), nil
}

// verbs takes a format apart: what prints one value, and the text between.
var verbs = regexp.MustCompile(`%[-+# 0]*[0-9]*(?:\.[0-9]+)?[a-zA-Z]|%%|[^%]+`)

// plainVerb prints a text as a whole.
var plainVerb = regexp.MustCompile(`^%-?[0-9]*[sv]$`)

// printf does what fmt.Sprintf does, and checks what it makes of each value. The
// format is the template's own.
func printf(at spot, format string, args []any) (string, error) {
	pieces := verbs.FindAllString(format, -1)
	var b strings.Builder
	read, used := 0, 0
	for _, piece := range pieces {
		read += len(piece)
		switch {
		case piece == "%%":
			piece = "%"
		case piece[0] == '%' && used < len(args):
			arg := args[used]
			used++
			_, safe := arg.(funcs.Nginx)
			safe = safe && plainVerb.MatchString(piece)
			if piece = fmt.Sprintf(piece, arg); !safe {
				if err := checked(at, piece); err != nil {
					return "", err
				}
			}
		}
		b.WriteString(piece)
	}
	if s := fmt.Sprintf(format, args...); s != b.String() || read < len(format) || used < len(args) {
		return s, checked(at, s) // indexes, values too few or too many
	}
	return b.String(), nil
}

// join does what the function of this name does, and checks each element.
func join(at spot, sep string, list []string) (string, error) {
	for _, s := range list {
		if err := checked(at, s); err != nil {
			return "", err
		}
	}
	return strings.Join(list, sep), nil
}
