package funcs

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"text/template"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// textFuncs are the functions on strings. What they work on is their last
// argument, so that it can come from a pipe.
func textFuncs() template.FuncMap {
	return template.FuncMap{
		"indent":          indent,
		"join":            func(sep string, list []string) string { return strings.Join(list, sep) },
		"regexMatch":      regexMatch,
		"regexReplaceAll": regexReplaceAll,
		"replaceAll":      func(from, to, s string) string { return strings.ReplaceAll(s, from, to) },
		"split":           split,
		"splitToMap":      splitToMap,
		"toLower":         strings.ToLower,
		"toTitle":         toTitle,
		"toUpper":         strings.ToUpper,
		"trim":            func(cutset, s string) string { return strings.Trim(s, cutset) },
		"trimPrefix":      func(prefix, s string) string { return strings.TrimPrefix(s, prefix) },
		"trimSpace":       strings.TrimSpace,
		"trimSuffix":      func(suffix, s string) string { return strings.TrimSuffix(s, suffix) },
	}
}

// maxIndent is far beyond any layout, and keeps a number that went wrong from
// taking all memory.
const maxIndent = 1 << 16

// maxText bounds what one call makes out of a small text, as repeat does.
const maxText = 256 << 20

// grown is an error when n pieces of so many bytes are more than maxText.
func grown(fn string, n, bytes int) error {
	if n > 0 && bytes > maxText/n {
		return fmt.Errorf("%s: the result would have more than %d MiB", fn, maxText>>20)
	}
	return nil
}

// indent puts spaces in front of each line of s that is not empty.
// It is an error when spaces is negative or above maxIndent.
func indent(spaces int, s string) (string, error) {
	if spaces < 0 || spaces > maxIndent {
		return "", fmt.Errorf("indent: want 0 to %d spaces, got %d", maxIndent, spaces)
	}
	if err := grown("indent", spaces, strings.Count(s, "\n")); err != nil {
		return "", err
	}
	prefix := strings.Repeat(" ", spaces)
	var b strings.Builder
	for line := range strings.Lines(s) {
		if line != "\n" {
			b.WriteString(prefix)
		}
		b.WriteString(line)
	}
	return b.String(), nil
}

// regexMatch tells whether pattern (RE2 syntax) matches anywhere in s.
func regexMatch(pattern, s string) (bool, error) {
	re, err := compile("regexMatch", pattern)
	if err != nil {
		return false, err
	}
	return re.MatchString(s), nil
}

// regexReplaceAll replaces each match of pattern in s; replacement may use $1 and
// ${name} as in regexp.Expand.
func regexReplaceAll(pattern, replacement, s string) (string, error) {
	re, err := compile("regexReplaceAll", pattern)
	if err != nil {
		return "", err
	}
	return re.ReplaceAllString(s, replacement), nil
}

// compile reads a pattern for the function fn. The error names the kind of the
// mistake alone: the pattern can come from the KV store.
func compile(fn, pattern string) (*regexp.Regexp, error) {
	re, err := regexp.Compile(pattern)
	if mistake, ok := errors.AsType[*syntax.Error](err); ok {
		return nil, fmt.Errorf("%s: bad regular expression (%d bytes): %s", fn, len(pattern), mistake.Code)
	}
	return re, err
}

// split cuts s at each sep, after white space around s was dropped. It gives an
// empty list when nothing is left of s, and single characters when sep is empty.
func split(sep, s string) []string {
	s = strings.TrimSpace(s)
	if s == "" {
		return []string{}
	}
	return strings.Split(s, sep)
}

// splitToMap splits s at each sep, and each part at its first assign into key and
// value. Parts without assign are dropped; of equal keys the last one stays.
func splitToMap(sep, assign, s string) map[string]string {
	m := make(map[string]string)
	for _, part := range split(sep, s) {
		if key, value, ok := strings.Cut(part, assign); ok {
			m[key] = value
		}
	}
	return m
}

// toTitle writes the first letter of each word in upper case and leaves the
// others as they are.
func toTitle(s string) string {
	// A Caser has state, so it cannot be shared.
	return cases.Title(language.Und, cases.NoLower).String(s)
}
