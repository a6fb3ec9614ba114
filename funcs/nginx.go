package funcs

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"text/template"

	"github.com/ctmpl/ctmpl/watch"
)

// Nginx is a text that is safe to print into a configuration of nginx: one of the
// functions below has made it, or the template has vouched for it with raw.
type Nginx string

// ValueError is a value that a function for nginx refuses.
type ValueError struct {
	Function string
	Reason   string // never holds the value
	// Value is the text that was refused, "" when it was none. It serves to find out
	// where it comes from, and is not to be shown.
	Value string
	Of    string // whose value it is, where that is known
}

// Error gives function and reason: the value may be a secret, and the names of what
// it belongs to anything.
func (e *ValueError) Error() string { return e.Function + ": " + e.Reason }

// nginxFuncs are the functions that print a value into a configuration of nginx.
// They refuse what is not of the form that the place takes, and correct nothing but
// weights: a value that nobody meant is not to go live in another form, either.
func nginxFuncs(x *Execution) template.FuncMap {
	return template.FuncMap{
		"nginxServer": func(v any, port ...any) (Nginx, error) {
			text, err := nginxServer(v, port...)
			return text, x.unlessWaiting(err)
		},
		"nginxAddress":    unlessWaiting(x, nginxAddress),
		"nginxNetwork":    unlessWaiting(x, nginxNetwork),
		"nginxHost":       unlessWaiting(x, nginxHost),
		"nginxPort":       unlessWaiting(x, nginxPort),
		"nginxWeight":     unlessWaiting(x, nginxWeight),
		"nginxWeights":    unlessWaiting(x, nginxWeights),
		"nginxInt":        unlessWaiting(x, nginxInt),
		"nginxDuration":   unlessWaiting(x, nginxDuration),
		"nginxSize":       unlessWaiting(x, nginxSize),
		"nginxName":       unlessWaiting(x, nginxName),
		"nginxServerName": unlessWaiting(x, nginxServerName),
		"nginxWildcard":   unlessWaiting(x, nginxWildcard),
		"nginxPath":       unlessWaiting(x, nginxPath),
		"nginxString":     unlessWaiting(x, nginxString),
		"nginxHeader":     unlessWaiting(x, nginxHeader),
		"nginxComment":    unlessWaiting(x, nginxComment),
		"nginxSwitch":     unlessWaiting(x, nginxSwitch),
		"raw":             unlessWaiting(x, raw),
	}
}

// unlessWaiting lets a function refuse nothing while an answer is missing: what it
// is given may be due to that, and what is asked for further on is to be found out.
func unlessWaiting[A, R any](x *Execution, fn func(A) (R, error)) func(A) (R, error) {
	return func(arg A) (R, error) {
		result, err := fn(arg)
		return result, x.unlessWaiting(err)
	}
}

func (x *Execution) unlessWaiting(err error) error {
	if _, refused := errors.AsType[*ValueError](err); refused && x.waits() {
		return nil
	}
	return err
}

// upstreamName is without upper case: nginx takes Web and web for one upstream,
// Consul for two services.
var upstreamName = regexp.MustCompile(`^[a-z0-9_][a-z0-9_.-]*$`)

// maxName is the longest name of a host (RFC 1035, 2.3.4), and of an upstream here.
const maxName = 253

// nginxName gives the name of an upstream.
func nginxName(s string) (Nginx, error) {
	if len(s) > maxName || !upstreamName.MatchString(s) {
		return "", &ValueError{Function: "nginxName", Value: s, Reason: "want a name of lower case letters, digits, _, - and ., with a letter, a digit or _ first"}
	}
	return Nginx(s), nil
}

// hostName is a name of lower case LDH labels (RFC 1123, 2.1).
var hostName = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

func isHostName(s string) bool { return len(s) <= maxName && hostName.MatchString(s) }

// nginxServerName gives one name for server_name, without a wildcard.
func nginxServerName(s string) (Nginx, error) {
	if !isHostName(s) {
		return "", &ValueError{Function: "nginxServerName", Value: s, Reason: "want one host name in lower case, such as www.example.com"}
	}
	return Nginx(s), nil
}

// nginxWildcard gives one name for server_name, which may begin with "*.": that
// has to stand before two labels at least.
func nginxWildcard(s string) (Nginx, error) {
	parent, wild := strings.CutPrefix(s, "*.")
	if !isHostName(parent) || len(s) > maxName || wild && !strings.Contains(parent, ".") {
		return "", &ValueError{Function: "nginxWildcard", Value: s, Reason: "want one host name in lower case, such as www.example.com or *.example.com"}
	}
	return Nginx(s), nil
}

// raw gives v as a text, whatever is in it.
func raw(v any) (Nginx, error) {
	if v == nil {
		return "", &ValueError{Function: "raw", Reason: "there is no value"}
	}
	return Nginx(fmt.Sprint(v)), nil
}

// Whose names an instance in a message. Names are bounded and quoted: anybody may
// have registered anything.
func Whose(i *watch.ServiceInstance) string {
	return fmt.Sprintf("service %.80q, instance %.80q on node %.80q", i.Name, i.ID, i.Node)
}
