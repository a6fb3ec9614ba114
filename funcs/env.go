package funcs

import (
	"fmt"
	"text/template"
)

// envFuncs are the functions on environment variables. lookup is os.LookupEnv or
// has its form.
func envFuncs(lookup func(name string) (value string, ok bool)) template.FuncMap {
	return template.FuncMap{
		// env gives "" for a variable that is not set.
		"env": func(name string) string {
			value, _ := lookup(name)
			return value
		},
		// mustEnv is an error when the variable is empty or not set.
		"mustEnv": func(name string) (string, error) {
			value, _ := lookup(name)
			if value == "" {
				return "", fmt.Errorf("mustEnv: the environment variable %.80q is empty or not set", name)
			}
			return value, nil
		},
		// envOrDefault gives an empty variable as it is; fallback is for one that
		// is not set.
		"envOrDefault": func(name, fallback string) string {
			if value, ok := lookup(name); ok {
				return value
			}
			return fallback
		},
	}
}
