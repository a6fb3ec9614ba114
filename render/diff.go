package render

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"github.com/ctmpl/ctmpl/render/rollout"
)

// show prints a file that differs from its destination, or the difference.
func (e *Engine) show(f rollout.File) error {
	if f.Path != "" {
		if differs, err := f.Differs(); err == nil && !differs {
			return nil
		}
	}
	if !e.opt.Diff {
		_, err := fmt.Fprintf(e.opt.Show, "> %s\n%s", f.Path, f.Content)
		return err
	}
	for line := range strings.Lines(diff(f)) {
		if e.opt.Colour {
			line = colour(line)
		}
		if _, err := fmt.Fprint(e.opt.Show, line); err != nil {
			return err
		}
	}
	return nil
}

// diff is the difference between a destination and what is to be written there, in
// the unified format. A destination that cannot be read counts as empty.
func diff(f rollout.File) string {
	before, err := os.ReadFile(f.Path)
	old := f.Path
	if err != nil {
		old = os.DevNull
	}
	return udiff.Unified(old, f.Path, string(before), string(f.Content))
}

// logDiff logs the difference, a line each, where anyone would see it.
func (e *Engine) logDiff(f rollout.File) {
	if !e.opt.Log.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	for line := range strings.Lines(diff(f)) {
		e.opt.Log.Debug("diff", "file", f.Path, "line", strings.TrimRight(line, "\n"))
	}
}

// colour paints a line of a difference for a terminal.
func colour(line string) string {
	code := ""
	switch {
	case strings.HasPrefix(line, "+++"), strings.HasPrefix(line, "---"):
		code = "1" // bold
	case strings.HasPrefix(line, "+"):
		code = "32" // green
	case strings.HasPrefix(line, "-"):
		code = "31" // red
	case strings.HasPrefix(line, "@@"):
		code = "36" // cyan
	default:
		return line
	}
	return "\x1b[" + code + "m" + strings.TrimSuffix(line, "\n") + "\x1b[0m\n"
}
