package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ctmpl/ctmpl/internal/conf"
)

// Facility is a facility of the syslog, "" for the default.
type Facility string

// Facilities are the names of the facilities, in the order of their numbers
// (RFC 5424, section 6.2.1).
var Facilities = []string{
	"KERN", "USER", "MAIL", "DAEMON", "AUTH", "SYSLOG", "LPR", "NEWS", "UUCP", "CRON", "AUTHPRIV", "FTP",
	"", "", "", "", // not for us
	"LOCAL0", "LOCAL1", "LOCAL2", "LOCAL3", "LOCAL4", "LOCAL5", "LOCAL6", "LOCAL7",
}

// UnmarshalText reads the name of a facility, in any case.
func (f *Facility) UnmarshalText(text []byte) error {
	name := strings.ToUpper(string(text))
	if name != "" && !slices.Contains(Facilities, name) {
		known := slices.DeleteFunc(slices.Clone(Facilities), func(s string) bool { return s == "" })
		return fmt.Errorf("unknown facility %q%s", text, conf.DidYouMean(name, known))
	}
	*f = Facility(name)
	return nil
}
