package render

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ctmpl/ctmpl/funcs"
	"github.com/ctmpl/ctmpl/watch"
)

// calling finds the function whose error a message is about.
var calling = regexp.MustCompile(`^(.*error calling (\w+): )(.*)$`)

// redact takes out of the message what the template has read from keys and files:
// it may be secret. The reason of a function that quotes its arguments goes
// altogether, since an argument can be any part of such a value.
func (e *Error) redact(answers map[watch.Query]any) {
	var secrets []string
	for _, v := range answers {
		secrets = append(secrets, secretsOf(v)...)
	}
	if len(secrets) == 0 {
		return
	}
	e.err = nil // it has the whole text
	own, reason := "", e.Message
	if m := calling.FindStringSubmatch(e.Message); m != nil {
		if own, reason = m[1], m[3]; funcs.Quotes(m[2]) {
			e.Message = own + "(its reason is left out: it may hold what the template has read)"
			return
		}
	} else if before, after, ok := strings.Cut(e.Message, ">: "); ok { // behind the text of the template
		own, reason = before+">: ", after
	}
	e.Message = own + replacer(secrets).Replace(reason)
}

// secretsOf are the texts of an answer that may be secret: values of keys and files,
// and private keys.
func secretsOf(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case watch.Lookup:
		return []string{v.Value}
	case *watch.LeafCert:
		return []string{v.PrivateKeyPEM}
	case []*watch.KeyPair:
		var values []string
		for _, p := range v {
			values = append(values, p.Value)
		}
		return values
	}
	return nil
}

// replacer hides the secrets as a whole and line by line, also in quotes. A text of
// one or two characters is no secret, and the message would be unreadable.
func replacer(secrets []string) *strings.Replacer {
	var parts []string
	for _, s := range secrets {
		for _, part := range append(strings.Split(s, "\n"), s, strings.Join(strings.Fields(s), " ")) {
			quoted := strconv.Quote(part)
			for _, form := range []string{strings.TrimSpace(part), quoted[1 : len(quoted)-1]} {
				if len(form) > 2 {
					parts = append(parts, form)
				}
			}
		}
	}
	// The longest first: one secret may be the beginning of another.
	slices.SortFunc(parts, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, part := range parts {
		pairs = append(pairs, part, "[redacted]")
	}
	return strings.NewReplacer(pairs...)
}
