package main

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/lmittmann/tint"
	"github.com/mattn/go-isatty"

	"github.com/ctmpl/ctmpl/cmd/ctmpl/config"
)

// logs is where the log goes: stderr, and a file and the syslog where they are
// configured.
type logs struct {
	level   slog.LevelVar
	handler slog.Handler
	file    *logFile // nil without one
	syslog  io.Closer
}

func openLogs(cfg *config.Config, stderr io.Writer) (*logs, error) {
	l := &logs{}
	l.level.Set(cfg.LogLevel.Level)
	handlers := []slog.Handler{l.lines(stderr, cfg.LogFormat)}
	if cfg.LogFile.Path != "" {
		file, err := openLogFile(cfg.LogFile)
		if err != nil {
			return nil, err
		}
		l.file = file
		handlers = append(handlers, l.lines(file, cfg.LogFormat))
	}
	if cfg.Syslog.On() {
		h, err := dialSyslog("", "", cfg.Syslog, &l.level)
		if err != nil {
			l.close()
			return nil, err
		}
		l.syslog = h.out
		handlers = append(handlers, h)
	}
	if l.handler = handlers[0]; len(handlers) > 1 {
		l.handler = slog.NewMultiHandler(handlers...)
	}
	return l, nil
}

func (l *logs) logger() *slog.Logger { return slog.New(l.handler) }

// reopen begins the log file anew where it is missing, as after logrotate.
func (l *logs) reopen() {
	if l.file != nil {
		l.file.reopen()
	}
}

func (l *logs) close() {
	if l.file != nil {
		_ = l.file.Close()
	}
	if l.syslog != nil {
		_ = l.syslog.Close()
	}
}

// lines writes one line for each record, as text in colour on a terminal.
func (l *logs) lines(w io.Writer, format config.LogFormat) slog.Handler {
	if format == config.LogJSON {
		return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: &l.level, ReplaceAttr: forJSON})
	}
	return tint.NewTextHandler(w, &tint.Options{
		Level:       &l.level,
		TimeFormat:  time.RFC3339,
		NoColor:     !isTerminal(w),
		ReplaceAttr: nameTrace("TRC"),
	})
}

// nameTrace names the level that slog does not know.
func nameTrace(name string) func([]string, slog.Attr) slog.Attr {
	return func(groups []string, a slog.Attr) slog.Attr {
		if a.Key == slog.LevelKey && len(groups) == 0 {
			if level, ok := a.Value.Any().(slog.Level); ok && level == config.LevelTrace {
				return slog.String(slog.LevelKey, name)
			}
		}
		return a
	}
}

// forJSON writes durations as they are in the text, and not in nanoseconds.
func forJSON(groups []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		return slog.String(a.Key, a.Value.Duration().String())
	}
	return nameTrace("TRACE")(groups, a)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd()) && os.Getenv("NO_COLOR") == ""
}

// errNoLogFile is the error for a path that a log cannot be written to.
var errNoLogFile = errors.New("cannot write the log file")
