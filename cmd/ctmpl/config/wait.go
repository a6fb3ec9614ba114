package config

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/ctmpl/ctmpl/internal/conf"
)

// Wait makes a template wait for quiet before it is rendered again.
type Wait struct {
	Enabled *bool         `conf:"enabled"` // nil: when there is a Min
	Min     time.Duration `conf:"min"`
	Max     time.Duration `conf:"max"` // 0: four times Min
}

// UnmarshalConf reads "min:max", "min", or a block with both.
func (w *Wait) UnmarshalConf(v conf.Value) error {
	if !v.IsObject() && !v.IsList() {
		text, err := v.String()
		if err == nil {
			*w, err = ParseWait(text)
		}
		if err != nil {
			return v.Pos.Errorf("wait: %w", err)
		}
		return nil
	}
	type plain Wait // without this method
	p := plain(*w)
	if err := (&conf.Decoder{}).Decode(v, &p, "wait"); err != nil {
		return err
	}
	*w = Wait(p)
	if w.Max != 0 && w.Max < w.Min {
		return v.Pos.Errorf("wait: max is shorter than min")
	}
	return nil
}

// ParseWait reads "min:max" or "min".
func ParseWait(s string) (Wait, error) {
	first, second, both := strings.Cut(strings.TrimSpace(s), ":")
	shortest, err := conf.ParseDuration(strings.TrimSpace(first))
	if err != nil {
		return Wait{}, err
	}
	longest := 4 * shortest
	if both {
		if longest, err = conf.ParseDuration(strings.TrimSpace(second)); err != nil {
			return Wait{}, err
		}
	}
	if longest < shortest {
		return Wait{}, errors.New("the longest wait is shorter than the shortest: want min:max")
	}
	return Wait{Min: shortest, Max: longest}, nil
}

// Bounds gives the shortest and the longest wait, both zero when there is none.
func (w Wait) Bounds() (shortest, longest time.Duration) {
	if w.Enabled != nil && !*w.Enabled {
		return 0, 0
	}
	if w.Max == 0 {
		return w.Min, 4 * w.Min
	}
	return w.Min, w.Max
}

// LogLevel is how much is logged.
type LogLevel struct {
	Name  string
	Level slog.Level // of Name
}

// LevelTrace is for what happens on every request.
const LevelTrace = slog.LevelDebug - 4

var levels = map[string]slog.Level{
	"TRACE": LevelTrace, "DEBUG": slog.LevelDebug, "INFO": slog.LevelInfo,
	"WARN": slog.LevelWarn, "ERR": slog.LevelError, "ERROR": slog.LevelError,
}

// UnmarshalText reads the name of a level, in any case.
func (l *LogLevel) UnmarshalText(text []byte) error {
	name := strings.ToUpper(string(text))
	level, ok := levels[name]
	if !ok {
		return fmt.Errorf("unknown log level %q: known are trace, debug, info, warn, err", text)
	}
	*l = LogLevel{Name: name, Level: level}
	return nil
}
