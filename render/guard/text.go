package guard

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// named is how many services a reason names.
const named = 5

// loss is a query whose answer has become smaller.
type loss struct {
	query    string
	from, to int
	note     string // behind the numbers
}

func (l loss) gone() int { return l.from - l.to }

func (l loss) String() string {
	return fmt.Sprintf("%s %d → %d%s", label(l.query), l.from, l.to, l.note)
}

// sortLosses puts the largest first.
func sortLosses(list []loss) {
	slices.SortFunc(list, func(a, b loss) int {
		return cmp.Or(cmp.Compare(b.gone(), a.gone()), strings.Compare(a.query, b.query))
	})
}

// listed names the first few. They are sorted.
func listed(list []loss, what string) string {
	var parts []string
	for _, l := range list[:min(named, len(list))] {
		parts = append(parts, l.String())
	}
	return strings.Join(parts, ", ") + more(len(list)-named, what)
}

// more says how many are not named.
func more(n int, what string) string {
	switch {
	case n <= 0:
		return ""
	case n == 1:
		return " and 1 more " + what
	}
	return fmt.Sprintf(" and %d more %ss", n, what)
}

// longest is how much of a name is shown, in bytes.
const longest = 100

// label names a query: a service by what is asked for, anything else as it is written.
// What is not plain is quoted.
func label(query string) string {
	kind, arg := argument(query)
	switch {
	case kind == query: // there is no argument
		return plain(query)
	case kind == "service":
		return plain(arg)
	}
	return plain(kind) + " " + plain(arg)
}

// plain gives a text as it is when nobody can take it for anything else.
func plain(text string) string {
	cut := text
	if len(cut) > longest {
		for cut = cut[:longest]; !utf8.ValidString(cut) && utf8.ValidString(text); {
			cut = cut[:len(cut)-1]
		}
		cut += "…"
	}
	const signs = "-_.|@~?=&/:,"
	for _, r := range text {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(signs, r)) {
			return strconv.QuoteToASCII(cut)
		}
	}
	if text == "" {
		return `""`
	}
	return cut
}

// line makes one line of a text that may hold anything.
func line(text string) string {
	quoted := strconv.Quote(text)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

// share shows how much of all is lost, never less than it is.
func share(lost, all int) string {
	return percent(math.Ceil(float64(lost)/float64(all)*1000-1e-9) / 1000)
}

func percent(x float64) string {
	return strconv.FormatFloat(math.Round(x*1e6)/1e4, 'f', -1, 64) + "%"
}
