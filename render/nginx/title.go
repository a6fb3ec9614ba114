package nginx

import "strings"

// masterTitle begins the title of a master process.
const masterTitle = "nginx: master process"

// launch is how nginx was started: -c, -p, -e and -g.
type launch struct{ conf, prefix, errorLog, globals string }

// parseTitle reads the arguments that nginx puts behind the title of its master
// process. It joins them by blanks, so a value is taken to go on up to the next word
// that looks like an option.
func parseTitle(title string) launch {
	var l launch
	var value *string // of the option before
	for _, w := range strings.Fields(strings.TrimPrefix(title, masterTitle)) {
		to, rest, isOption := l.option(w)
		switch {
		case isOption:
			if value = to; to != nil {
				*to = rest
			}
		case value != nil && *value != "":
			*value += " " + w
		case value != nil:
			*value = w
		}
	}
	return l
}

// option reads a word such as -c, -t or -qc/path: where the value of the option goes,
// which is nowhere for one without, and the part of it that the word holds.
func (l *launch) option(w string) (to *string, rest string, isOption bool) {
	letters, found := strings.CutPrefix(w, "-")
	if !found || letters == "" {
		return nil, "", false
	}
	for i, c := range letters {
		rest := letters[i+1:]
		switch c {
		case 'c':
			return &l.conf, rest, true
		case 'p':
			return &l.prefix, rest, true
		case 'e':
			return &l.errorLog, rest, true
		case 'g':
			return &l.globals, rest, true
		case '?', 'h', 'v', 'V', 't', 'T', 'q', 's':
		default:
			return nil, "", false
		}
	}
	return nil, "", true
}
