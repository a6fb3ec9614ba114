package funcs

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/BurntSushi/toml"
	"go.yaml.in/yaml/v2"
)

// encodeFuncs are the functions that write a value as text, without a line break
// at the end. It is an error when the format has no way to write the value's type.
func encodeFuncs() template.FuncMap {
	const pretty = "  "
	return template.FuncMap{
		"timestamp":             timestamp,
		"toJSON":                jsonEncoder("toJSON", "", true),
		"toJSONPretty":          jsonEncoder("toJSONPretty", pretty, true),
		"toUnescapedJSON":       jsonEncoder("toUnescapedJSON", "", false),
		"toUnescapedJSONPretty": jsonEncoder("toUnescapedJSONPretty", pretty, false),
		"toTOML":                toTOML,
		"toYAML":                toYAML,
	}
}

// jsonEncoder gives the function name, which writes JSON with sorted keys: on one
// line when indent is empty, and with <, > and & as \u003c and so on when
// escapeHTML is set.
func jsonEncoder(name, indent string, escapeHTML bool) func(any) (string, error) {
	return func(v any) (string, error) {
		var b strings.Builder
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(escapeHTML)
		enc.SetIndent("", indent)
		if err := enc.Encode(v); err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		return strings.TrimSuffix(b.String(), "\n"), nil
	}
}

// toYAML writes block style YAML with sorted keys.
func toYAML(v any) (_ string, err error) {
	defer recovered("toYAML", &err) // yaml panics on functions and channels
	b, err := yaml.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("toYAML: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// toTOML writes a map or struct as TOML, with sorted keys. Keys without a value
// (nil) are left out.
func toTOML(v any) (string, error) {
	if v == nil { // toml would panic
		return "", errors.New("toTOML: want a map or a struct, got nil")
	}
	var b strings.Builder
	if err := toml.NewEncoder(&b).Encode(v); err != nil {
		return "", fmt.Errorf("toTOML: %w", err)
	}
	return strings.TrimSpace(b.String()), nil
}

// timestamp gives the time in UTC: as RFC 3339, as seconds since 1970 for "unix",
// or in the layout of time.Format.
func timestamp(layout ...string) (string, error) {
	if len(layout) > 1 {
		return "", fmt.Errorf("timestamp: want at most 1 argument, got %d", len(layout))
	}
	now := time.Now().UTC()
	switch {
	case len(layout) == 0:
		return now.Format(time.RFC3339), nil
	case layout[0] == "unix":
		return strconv.FormatInt(now.Unix(), 10), nil
	}
	return now.Format(layout[0]), nil
}
