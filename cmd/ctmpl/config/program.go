package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ctmpl/ctmpl/internal/conf"
	"github.com/ctmpl/ctmpl/render/child"
)

// Exec is a command as the block exec gives it: the program that ctmpl supervises,
// or the older way to give a template's command.
type Exec struct {
	Enabled      *bool         `conf:"enabled"` // nil: when there is a command
	Command      Command       `conf:"command"`
	Env          Env           `conf:"env"`
	KillSignal   Signal        `conf:"kill_signal"`
	KillTimeout  time.Duration `conf:"kill_timeout"`
	ReloadSignal Signal        `conf:"reload_signal"` // none: the program is started anew
	Splay        time.Duration `conf:"splay"`
	Timeout      time.Duration `conf:"timeout"` // of a template's command
}

// On tells whether there is a command to run.
func (e *Exec) On() bool {
	return (e.Enabled == nil || *e.Enabled) && len(e.Command) > 0 && e.Command[0] != ""
}

// Env says what a command sees of the environment. Lists of several files add up.
type Env struct {
	Pristine  bool    `conf:"pristine"` // nothing of the environment of ctmpl
	Custom    Strings `conf:"custom"`   // NAME=value
	Allowlist Strings `conf:"allowlist,whitelist"`
	Denylist  Strings `conf:"denylist,blacklist"`
}

// Strings is a list of strings, which may also be written as one with commas.
type Strings []string

// UnmarshalConf adds to the list.
func (l *Strings) UnmarshalConf(v conf.Value) error {
	if !v.IsList() {
		text, err := v.String()
		if err != nil {
			return v.Pos.Errorf("want a list of strings: %w", err)
		}
		if text != "" {
			*l = append(*l, strings.Split(text, ",")...)
		}
		return nil
	}
	for _, item := range v.List {
		text, err := item.String()
		if err != nil {
			return item.Pos.Errorf("%w", err)
		}
		*l = append(*l, text)
	}
	return nil
}

// Signal is a signal of the system, 0 where nothing is said of it.
type Signal syscall.Signal

// NoSignal says that no signal is to be sent, or acted on.
const NoSignal = Signal(child.NoSignal)

// UnmarshalText reads a name such as SIGHUP, in any case; the empty string and
// SIGNULL are NoSignal.
func (s *Signal) UnmarshalText(text []byte) error {
	name := strings.ToUpper(string(text))
	if name == "" || name == "SIGNULL" {
		*s = NoSignal
		return nil
	}
	number := unix.SignalNum(name)
	if number == 0 {
		return fmt.Errorf("unknown signal %q%s", text, conf.DidYouMean(name, signalNames()))
	}
	*s = Signal(number)
	return nil
}

// checkApprove reports an approve_signal that means something else already.
func (c *Config) checkApprove() error {
	s, why := c.ApproveSignal, ""
	switch {
	case s == NoSignal:
		return nil
	case s == c.KillSignal || s == Signal(syscall.SIGTERM):
		why = "ends ctmpl"
	case s == c.ReloadSignal:
		why = "is reload_signal"
	case s == Signal(syscall.SIGKILL) || s == Signal(syscall.SIGSTOP):
		why = "reaches no program"
	default:
		return nil
	}
	return fmt.Errorf("approve_signal: %s %s: take another one, such as SIGUSR2", unix.SignalName(syscall.Signal(s)), why)
}

// signalNames are the signals that there are here.
func signalNames() []string {
	names := map[string]bool{}
	for n := syscall.Signal(1); n < 65; n++ {
		if name := unix.SignalName(n); name != "" {
			names[name] = true
		}
	}
	return slices.Collect(maps.Keys(names))
}

// LogFile is a file that the log goes to, beside stderr.
type LogFile struct {
	Path           string        `conf:"path"`
	RotateBytes    int64         `conf:"log_rotate_bytes"` // 0: of any size
	RotateDuration time.Duration `conf:"log_rotate_duration"`
	RotateMaxFiles int           `conf:"log_rotate_max_files"` // old ones to keep; 0: all, negative: none
}

// Syslog says whether the log goes to the syslog, too.
type Syslog struct {
	Enabled  *bool    `conf:"enabled"` // nil: when there is a facility or a name
	Facility Facility `conf:"facility"`
	Name     string   `conf:"name"`
}

// On tells whether to log to the syslog.
func (s Syslog) On() bool {
	if s.Enabled != nil {
		return *s.Enabled
	}
	return s.Facility != "" || s.Name != ""
}

// LogFormat is how a line of the log is written.
type LogFormat string

// The formats of the log.
const (
	LogText LogFormat = "text"
	LogJSON LogFormat = "json"
)

// UnmarshalText reads the name of a format.
func (f *LogFormat) UnmarshalText(text []byte) error {
	switch name := LogFormat(strings.ToLower(string(text))); name {
	case LogText, LogJSON:
		*f = name
		return nil
	}
	return fmt.Errorf("unknown log format %q: known are text and json", text)
}

// Limits bound what a template may do, and what Consul is asked.
type Limits struct {
	// OutputBytes is the most that a template may print.
	OutputBytes int64 `conf:"output_bytes"`
	// ExecutionTime is the longest that an execution may take.
	ExecutionTime time.Duration `conf:"execution_time"`
	// Connections is the most that are open to Consul at once.
	Connections int `conf:"connections" min:"1"`
	// RequestsPerSecond is the most that Consul is asked in a second; 0: any number.
	RequestsPerSecond int `conf:"requests_per_second" min:"0"`
}

// errNotYet says that consul-template has something which ctmpl does not have yet.
var errNotYet = errors.New("is not supported yet: leave the block out, or set enabled = false in it")

// notYet refuses the blocks for what ctmpl does not do yet. One that is not in use
// may be there: it is not enabled, and does not say where to connect.
func notYet(path, name string, v conf.Value) error {
	if path != "" || !slices.Contains([]string{"vault", "nomad", "deduplicate"}, name) {
		return conf.ErrUnknown
	}
	var block struct {
		Enabled *bool  `conf:"enabled"`
		Address string `conf:"address"`
	}
	skip := func(string, string, conf.Value) error { return nil }
	if err := (&conf.Decoder{Explain: skip}).Decode(v, &block, name); err != nil {
		return err
	}
	if block.Enabled != nil && *block.Enabled || block.Enabled == nil && block.Address != "" {
		return errNotYet
	}
	return nil
}
