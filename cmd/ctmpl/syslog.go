package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"log/syslog"
	"slices"
	"sync"
	"time"

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
	out := newSyslogWriter(w)
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

// syslogKept is how many messages wait for a syslog that does not take them, and
// syslogPatience for how long they do when ctmpl ends.
const (
	syslogKept     = 1000
	syslogPatience = time.Second
)

// syslogWriter sends lines, each with the level of the record at hand. It waits for
// nobody: a syslog that hangs would stop all that wants to log.
type syslogWriter struct {
	out   *syslog.Writer
	queue chan message
	sent  chan struct{} // closed when the queue has been, and is empty

	mu     sync.Mutex // held while a record is handled
	level  slog.Level // of it
	lost   int        // messages there was no room for
	closed bool
}

// message is a line with its level.
type message struct {
	level slog.Level
	line  string
}

func newSyslogWriter(out *syslog.Writer) *syslogWriter {
	w := &syslogWriter{out: out, queue: make(chan message, syslogKept), sent: make(chan struct{})}
	go w.work()
	return w
}

// Write implements io.Writer.
func (w *syslogWriter) Write(line []byte) (int, error) {
	if w.closed {
		return len(line), nil
	}
	if w.lost > 0 && w.put(slog.LevelWarn, fmt.Sprintf("%d messages were lost: the syslog did not take them", w.lost)) {
		w.lost = 0
	}
	if !w.put(w.level, string(line)) {
		w.lost++
	}
	return len(line), nil
}

// put tells whether there was room.
func (w *syslogWriter) put(level slog.Level, line string) bool {
	select {
	case w.queue <- message{level, line}:
		return true
	default:
		return false
	}
}

// work sends what is in the queue until that is closed.
func (w *syslogWriter) work() {
	defer close(w.sent)
	for m := range w.queue {
		send := w.out.Debug
		switch {
		case m.level >= slog.LevelError:
			send = w.out.Err
		case m.level >= slog.LevelWarn:
			send = w.out.Warning
		case m.level >= slog.LevelInfo:
			send = w.out.Info
		}
		_ = send(m.line) // it connects anew with each, should that be gone
	}
}

// Close sends what is left. A syslog that hangs is left as it is, with the goroutine
// that waits for it: it cannot be closed.
func (w *syslogWriter) Close() error {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.queue)
	}
	w.mu.Unlock()
	select {
	case <-w.sent:
		return w.out.Close()
	case <-time.After(syslogPatience):
		return nil
	}
}
