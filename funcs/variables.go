package funcs

import (
	"cmp"
	"errors"
	"regexp"
	"slices"
	"strings"
)

// VariableError is a variable of shipped templates whose value cannot be.
type VariableError struct {
	Name, Value string
	Reason      string // what is taken
}

func (e *VariableError) Error() string {
	return "the variable " + e.Name + " is " + quote(e.Value) + ": " + e.Reason
}

// CheckVars gives an error for each variable that shipped templates read and that has a
// value which is not for it, by name.
func CheckVars(vars map[string]string) (bad []*VariableError) {
	_, errs := readSettings(vars)
	for name, check := range plainVars {
		if value, ok := vars[name]; ok {
			if err := check(value); err != nil {
				errs = append(errs, &VariableError{name, value, reasonOf(err).Error()})
			}
		}
	}
	slices.SortFunc(errs, func(a, b *VariableError) int { return cmp.Compare(a.Name, b.Name) })
	return errs
}

// plainVars are the variables that shipped templates print or ask for themselves.
var plainVars = map[string]func(string) error{
	"workers":          orElse("auto", wholeBetween(1, 1024)),
	"connections":      wholeBetween(2, 1_000_000),
	"open_files":       orElse("", wholeBetween(16, 100_000_000)),
	"user":             orElse("", matching(`[a-z_][a-z0-9_.-]*( [a-z_][a-z0-9_.-]*)?`, "want a user, and perhaps a group after a space")),
	"pid":              aPath,
	"error_log":        orElse("stderr", aLog),
	"access_log":       orElse("off", aLog),
	"stream_log":       orElse("off", aLog),
	"modules":          orElse("", matching(`/[A-Za-z0-9/._*?@+-]+`, "want the path of a file, with * for several, or nothing")),
	"temp_dir":         orElse("", aPath),
	"shutdown_timeout": aTime,
	"connect_timeout":  aTime,
	"read_timeout":     aTime,
	"stream_timeout":   aTime,
	"keepalive_time":   aTime,
	"max_body":         func(text string) error { _, err := nginxSize(text); return err },
	"hash_sizes":       aSwitch,
	"catch_all":        aSwitch,
	"service":          func(text string) error { _, err := nginxName(text); return err },
	"upstream": func(text string) error {
		if !askable(text) {
			return errors.New("want the name of a service")
		}
		return nil
	},
	"listen": matching(`[A-Za-z0-9._:/=\[\]-]+( [a-z0-9_=:-]+)*`, "want what listen takes, such as 127.0.0.1:9191"),
}

func aPath(text string) error {
	if _, err := nginxPath(text); err != nil {
		return errors.New("want an absolute path of letters, digits and ._~@:+,=-")
	}
	return nil
}

func aTime(text string) error { _, err := nginxDuration(text); return err }

func aSwitch(text string) error { _, err := nginxSwitch(text); return err }

func aLog(text string) error {
	if strings.HasPrefix(text, "syslog:") {
		return matching(`syslog:server=[A-Za-z0-9.:,=/_\[\]-]+`, "want syslog:server=ADDRESS")(text)
	}
	return aPath(text)
}

func wholeBetween(least, most int) func(string) error {
	return func(text string) error { _, err := wholeFrom(text, least, most); return err }
}

func matching(pattern, reason string) func(string) error {
	whole := regexp.MustCompile("^" + pattern + "$")
	return func(text string) error {
		if !whole.MatchString(text) {
			return errors.New(reason)
		}
		return nil
	}
}

// orElse takes one more value.
func orElse(word string, check func(string) error) func(string) error {
	return func(text string) error {
		if text == word {
			return nil
		}
		err := check(text)
		if err != nil && word != "" {
			err = errors.New(reasonOf(err).Error() + ", or " + word)
		}
		return err
	}
}

// nginxSwitch tells whether a value is on or off.
func nginxSwitch(text string) (bool, error) {
	switch text {
	case "on", "true", "yes":
		return true, nil
	case "off", "false", "no":
		return false, nil
	}
	return false, &ValueError{Function: "nginxSwitch", Value: text, Reason: "want on, true or yes, or off, false or no"}
}
