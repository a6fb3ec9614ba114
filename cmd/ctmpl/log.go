package main

import (
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/lmittmann/tint"
	"github.com/mattn/go-isatty"

	"github.com/ctmpl/ctmpl/cmd/ctmpl/config"
)

// logHandler writes one line for each record, in colour on a terminal.
func logHandler(w io.Writer, level slog.Leveler) slog.Handler {
	return tint.NewTextHandler(w, &tint.Options{
		Level:       level,
		TimeFormat:  time.RFC3339,
		NoColor:     !isTerminal(w),
		ReplaceAttr: nameTrace,
	})
}

// nameTrace names the level that slog does not know.
func nameTrace(groups []string, a slog.Attr) slog.Attr {
	if a.Key == slog.LevelKey && len(groups) == 0 {
		if level, ok := a.Value.Any().(slog.Level); ok && level == config.LevelTrace {
			return slog.String(slog.LevelKey, "TRC")
		}
	}
	return a
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd()) && os.Getenv("NO_COLOR") == ""
}
