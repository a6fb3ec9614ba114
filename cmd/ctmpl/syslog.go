package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"log/syslog"
	"slices"
	"sync"

	"github.com/ctmpl/ctmpl/cmd/ctmpl/config"
)

// syslogHandler sends records to the syslog of this machine, each with its level.
type syslogHandler struct {
	slog.Handler // writes to out
	out          *syslogWriter
}

// dialSyslog connects to the syslog at an address, that of this machine when empty.
func dialSyslog(network, addr string, cfg config.Syslog, level slog.Leveler) (*syslogHandler, error) {
	facility := slices.Index(config.Facilities, string(cmp.Or(cfg.Facility, "LOCAL0")))
	w, err := syslog.Dial(network, addr, syslog.Priority(facility<<3)|syslog.LOG_NOTICE, cmp.Or(cfg.Name, "ctmpl"))
	if err != nil {
		return nil, fmt.Errorf("cannot connect to the syslog: %w", err)
	}
	out := &syslogWriter{Writer: w}
	plain := slog.NewTextHandler(out, &slog.HandlerOptions{Level: level, ReplaceAttr: withoutTime})
	return &syslogHandler{Handler: plain, out: out}, nil
}

// withoutTime leaves out what the syslog adds by itself.
func withoutTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
		return slog.Attr{}
	}
	return a
}

// Handle implements slog.Handler.
func (h *syslogHandler) Handle(ctx context.Context, r slog.Record) error {
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	h.out.level = r.Level
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *syslogHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &syslogHandler{Handler: h.Handler.WithAttrs(attrs), out: h.out}
}

// WithGroup implements slog.Handler.
func (h *syslogHandler) WithGroup(name string) slog.Handler {
	return &syslogHandler{Handler: h.Handler.WithGroup(name), out: h.out}
}

// syslogWriter writes a line with the level of the record at hand.
type syslogWriter struct {
	*syslog.Writer
	mu    sync.Mutex // held while a record is handled
	level slog.Level // of it
}

// Write implements io.Writer.
func (w *syslogWriter) Write(line []byte) (int, error) {
	send := w.Writer.Debug
	switch {
	case w.level >= slog.LevelError:
		send = w.Writer.Err
	case w.level >= slog.LevelWarn:
		send = w.Writer.Warning
	case w.level >= slog.LevelInfo:
		send = w.Writer.Info
	}
	return len(line), send(string(line))
}
