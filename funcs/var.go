package funcs

import "fmt"

// variable gives what the configuration says of a name, as a text, or else a default
// of any type. Without both it is an error.
func variable(vars map[string]string) func(string, ...any) (any, error) {
	return func(name string, def ...any) (any, error) {
		value, ok := vars[name]
		switch {
		case len(def) > 1:
			return nil, fmt.Errorf("var: %d arguments, want a name and perhaps a default", len(def)+1)
		case ok:
			return value, nil
		case len(def) == 1:
			return def[0], nil
		}
		return nil, NoVariable(name)
	}
}

// NoVariable is the error for a variable that has no value, and no default.
func NoVariable(name string) error {
	return fmt.Errorf("var: %.80q has no value: say vars { %s = \"…\" } in the template block, or -var %s=…", name, name, name)
}
