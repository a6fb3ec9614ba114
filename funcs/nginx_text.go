package funcs

import (
	"regexp"
	"slices"
	"strings"
)

// maxParameter is below the length of a parameter that nginx refuses, 4096 bytes
// (NGX_CONF_BUFFER in ngx_conf_file.c).
const maxParameter = 4000

// nginxString gives s in double quotes, as one parameter of any directive, be it
// one that takes variables or not: so a $ is refused. A ~ at the beginning is, too,
// since it makes a regular expression of it in map and server_name, quotes or not.
func nginxString(s string) (Nginx, error) {
	switch {
	case strings.Contains(s, "$"):
		return "", &ValueError{Function: "nginxString", Reason: "the value has a $: nginxHeader takes it, for directives with variables", Value: s}
	case strings.HasPrefix(s, "~"):
		return "", &ValueError{Function: "nginxString", Reason: "the value begins with ~, as a regular expression does", Value: s}
	}
	return quoteFor("nginxString", s)
}

// nginxHeader gives s in double quotes, as one parameter of a directive that takes
// variables: add_header, proxy_set_header, return. nginx has no escape for a $, so
// it becomes ${dollar}, which needs
//
//	geo $dollar { default "$"; }
//
// in the http block.
func nginxHeader(s string) (Nginx, error) { return quoteFor("nginxHeader", s) }

// inQuotes writes what means something to nginx between double quotes: \ and ", as
// ngx_conf_read_token reads them, and $, as ngx_http_script_compile does.
var inQuotes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `${dollar}`)

func quoteFor(fn, s string) (Nginx, error) {
	if strings.ContainsFunc(s, isControl) {
		return "", &ValueError{Function: fn, Reason: "the value has a line break or another control character", Value: s}
	}
	quoted := `"` + inQuotes.Replace(s) + `"`
	if len(quoted) > maxParameter {
		return "", &ValueError{Function: fn, Reason: "the value is longer than nginx reads", Value: s}
	}
	return Nginx(quoted), nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// maxComment keeps a comment a line that one can read.
const maxComment = 1000

// nginxComment gives a comment, with the # before it, to the end of the line. What
// is before it has to end with white space: nginx knows no comment within a word.
func nginxComment(s string) (Nginx, error) {
	switch {
	case strings.ContainsFunc(s, isControl):
		return "", &ValueError{Function: "nginxComment", Reason: "the value has a line break or another control character", Value: s}
	case len(s) > maxComment:
		return "", &ValueError{Function: "nginxComment", Reason: "the value is longer than 1000 bytes", Value: s}
	}
	return Nginx("# " + s), nil
}

var pathPattern = regexp.MustCompile(`^/[A-Za-z0-9/._~@:+,=-]*$`)

// nginxPath gives a path for location, without quotes. It is no protection for root
// and alias, where any path leads to files.
func nginxPath(s string) (Nginx, error) {
	segments := strings.Split(strings.TrimSuffix(s, "/"), "/")
	odd := func(segment string) bool { return segment == "" || segment == "." || segment == ".." }
	if len(s) > 1000 || !pathPattern.MatchString(s) || slices.ContainsFunc(segments[1:], odd) {
		return "", &ValueError{Function: "nginxPath", Value: s, Reason: "want a path such as /api/v1/ of letters, digits and ._~@:+,=-, without . and .. in it"}
	}
	return Nginx(s), nil
}
