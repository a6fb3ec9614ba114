package nginx

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// messageMax is how long a message of nginx may be within an error.
const messageMax = 2 << 10

// bounded cuts a text that is too long.
func bounded(text string) string {
	if len(text) <= messageMax {
		return text
	}
	cut := messageMax
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

// oneLine joins the lines of a text.
func oneLine(text string) string {
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
	return bounded(strings.Join(lines, " | "))
}

// messageRE begins a line of nginx: on standard error, or as in its log.
var messageRE = regexp.MustCompile(`^(?:nginx: |\d{4}/\d\d/\d\d \d\d:\d\d:\d\d )(?:\[(\w+)\] )?(?:\d+#\d+: )?`)

// essence gives what matters of the output of nginx -t, which is one line with " | "
// between its lines: the errors, without "test failed".
func essence(output string) string {
	var errors, others []string
	keep := &others // where what belongs to the line before goes
	for _, line := range strings.Split(output, " | ") {
		m := messageRE.FindStringSubmatch(line)
		if m == nil && len(*keep) > 0 { // it goes on
			(*keep)[len(*keep)-1] += " | " + line
			continue
		}
		text, level := line, ""
		if m != nil {
			text, level = line[len(m[0]):], m[1]
		}
		if level == "" && strings.Contains(text, "configuration file ") {
			continue // what it says of each test
		}
		keep = &others
		if level != "" {
			text = "[" + level + "] " + text
			if slices.Contains([]string{"emerg", "alert", "crit", "error"}, level) {
				keep = &errors
			}
		}
		if !slices.Contains(*keep, text) {
			*keep = append(*keep, text)
		}
	}
	if len(errors) > 0 {
		others = errors
	}
	return bounded(strings.Join(others, "; "))
}
