package funcs

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"text/template"

	"go.yaml.in/yaml/v2"
)

// parseFuncs are the functions that read a value from a string. The empty string
// is the zero value for all of them, since that is what a query gives while its
// answer is missing. Their errors never show the string, which may be a secret.
func parseFuncs() template.FuncMap {
	return template.FuncMap{
		"parseBool":  parser("parseBool", "a boolean", strconv.ParseBool),
		"parseFloat": parser("parseFloat", "a number", func(s string) (float64, error) { return strconv.ParseFloat(s, 64) }),
		"parseInt":   parser("parseInt", "an integer", decimalInt),
		"parseJSON":  parseJSON,
		"parseUint":  parser("parseUint", "an unsigned integer", func(s string) (uint64, error) { return strconv.ParseUint(s, 10, 64) }),
		"parseYAML":  parseYAML,
	}
}

func parser[T any](name, what string, parse func(string) (T, error)) func(string) (T, error) {
	return func(s string) (T, error) { return parseScalar(name, what, s, parse) }
}

// parseScalar reads s with parse, one of strconv's functions. name is the template
// function that asks and what is the kind it wants, for the error.
func parseScalar[T any](name, what, s string, parse func(string) (T, error)) (T, error) {
	var zero T
	if s == "" {
		return zero, nil
	}
	v, err := parse(s)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return zero, fmt.Errorf("%s: out of range of %T (%d bytes)", name, zero, len(s))
	case err != nil:
		return zero, fmt.Errorf("%s: not %s (%d bytes)", name, what, len(s))
	}
	return v, nil
}

// parseJSON reads JSON into map[string]any, []any, string, float64, bool and nil.
// The empty string is an empty map.
func parseJSON(s string) (any, error) {
	if s == "" {
		return map[string]any{}, nil
	}
	var v any
	err := json.Unmarshal([]byte(s), &v)
	if err == nil {
		return v, nil
	}
	// The text of these errors has a piece of the input.
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return nil, fmt.Errorf("parseJSON: syntax error at byte %d of %d", e.Offset, len(s))
	}
	return nil, fmt.Errorf("parseJSON: a number is out of range of float64 (%d bytes)", len(s))
}

// parseYAML reads YAML 1.1 into map[any]any, []any, string, int, float64, bool
// and nil. The empty string is an empty map[string]any.
func parseYAML(s string) (v any, err error) {
	if s == "" {
		return map[string]any{}, nil
	}
	if err := yaml.Unmarshal([]byte(s), &v); err != nil {
		return nil, fmt.Errorf("parseYAML: %s (%d bytes)", yamlMistake(err), len(s))
	}
	return v, nil
}

// yamlPhrase matches an error of yaml up to where it shows a piece of the input,
// which is in quotes or behind a colon. The fixed phrases have no colon, and
// nothing in quotes but single signs.
var yamlPhrase = regexp.MustCompile(`^yaml: ((?:line \d+: )?(?:[\w <>,!%-]|'\W')*(?:[\w>]|'\W'))`)

func yamlMistake(err error) string {
	if m := yamlPhrase.FindStringSubmatch(err.Error()); m != nil {
		return m[1]
	}
	return "cannot be read"
}
