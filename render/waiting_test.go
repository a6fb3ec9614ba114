package render

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ctmpl/ctmpl/watch"
)

// expectWaiting checks how often the log says that a template waits, and what it
// said last.
func (b *bench) expectWaiting(times int, last string) {
	b.t.Helper()
	b.settle()
	lines := strings.Split(b.log.String(), "template waits for answers")
	if got := len(lines) - 1; got != times || !strings.Contains(lines[got], last) {
		b.t.Errorf("told %d times, want %d and last %s:\n%s", got, times, last, b.log)
	}
}

func TestWhatATemplateWaitsForIsToldWhenThatHasChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.start(Options{}, b.spec("out", `{{ key "a" }}{{ key "b" }}`))
		defer b.stop()
		time.Sleep(reportAfter / 2)
		b.expectWaiting(0, "")
		time.Sleep(reportAfter)
		b.expectWaiting(1, "missing=2")
		time.Sleep(time.Hour)
		b.expectWaiting(1, "")
		b.put(keyQuery("a"), "1")
		time.Sleep(reportEvery)
		b.expectWaiting(2, `missing=1 waits_for="key \"b\" (contents of `+b.path("out")+`:1:17)"`)
		b.put(keyQuery("b"), "1")
		time.Sleep(time.Hour)
		b.expectWaiting(2, "")
		b.expect("out", "11")
	})
}

func TestOnceGivesUpInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.store.Put(keyQuery("a"), "1")
		opt := Options{Once: true, Timeout: time.Minute, Store: b.store, Want: func(watch.Set) {}, Log: slog.New(slog.NewTextHandler(b.log, nil))}
		engine, err := New([]Spec{b.spec("one", `{{ key "a" }}`), b.spec("two", `{{ key "b" }}`)}, opt)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := engine.Run(ctx); err != ErrFailed || time.Since(start) != opt.Timeout {
			t.Errorf("got %v after %s", err, time.Since(start))
		}
		b.expect("one", "1")
		if log := b.log.String(); strings.Count(log, "not rendered in time") != 1 || !strings.Contains(log, `key \"b\"`) {
			t.Errorf("log: %s", log)
		}
	})
}
