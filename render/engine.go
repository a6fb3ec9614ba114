package render

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/ctmpl/ctmpl/render/rollout"
	"github.com/ctmpl/ctmpl/watch"
)

// Options are what an Engine needs beside its templates.
type Options struct {
	Store *watch.Store
	// Want is told the complete set of queries whenever it changes.
	Want func(watch.Set)
	Log  *slog.Logger
	// Once ends Run when every template has been rolled out once.
	Once bool
	// Timeout ends Run with Once when it has passed; 0 waits for as long as it takes.
	Timeout time.Duration
	// Show, when it is set, gets the output of templates whose destination is not
	// as they say, in place of a rollout.
	Show io.Writer
	// Diff shows what would change, in place of the whole output. Without Show it is
	// logged at level debug.
	Diff   bool
	Colour bool // of what is shown

	// State is where good outputs are kept; nowhere when it is nil.
	State *rollout.State
	// At is called at each point where a rollout may be cut short, for tests.
	At func(point string)

	// Complete is called when every template has been rolled out, once; with Once not
	// when something did not work out. Changed is called after that, each time when
	// files have changed and their commands have succeeded, unless a driver has reloaded
	// them. Both are called by the goroutine of Run and must not block.
	Complete, Changed func()
}

// ErrFailed says that something did not work out which was logged when it happened.
var ErrFailed = errors.New("not everything was rendered")

// Engine executes templates when they are due and rolls out what they give.
type Engine struct {
	opt     Options
	units   []*unit
	targets []*target
	events  chan func()
	results chan rollout.Outcome
	ended   chan struct{} // closed when Run has returned
	flying  int           // rollouts under way
	readers map[watch.Query][]*unit
	moved   bool // what the templates read is not what readers has
	failed  bool // of Once: a rollout did not work out
	changed bool // files have changed since Changed was called last
	begun   bool // Complete was called
	fatal   bool // a template failed that must not

	executions int // of templates, for tests
}

// New makes an engine for the templates. It reads them; an error of a template is
// reported here and does not stop the others. It is an error only when not one of
// them can be used.
func New(specs []Spec, opt Options) (*Engine, error) {
	e := &Engine{opt: opt, events: make(chan func()), results: make(chan rollout.Outcome), ended: make(chan struct{})}
	if opt.Show != nil {
		e.opt.State = nil // nothing is rolled out
	}
	if err := e.configure(specs, time.Now()); err != nil {
		return nil, err
	}
	var errs []error
	for _, u := range e.units {
		if u.tmpl != nil {
			continue
		}
		errs = append(errs, u.err)
	}
	if len(e.units) > 0 && len(errs) == len(e.units) {
		return nil, errors.Join(errs...)
	}
	for _, err := range errs {
		e.opt.Log.Error("template left out until it is mended", "error", err)
	}
	return e, nil
}

// Run executes what is due until ctx ends, and then returns nil once the rollouts
// under way have ended. With Once it returns when all is done: ErrFailed when
// something did not work out.
func (e *Engine) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	defer close(e.ended)
	defer e.land()
	var late <-chan time.Time
	if e.opt.Once && e.opt.Timeout > 0 {
		late = time.After(e.opt.Timeout)
	}
	for {
		e.notice()
		e.render(ctx)
		e.report(time.Now())
		e.publish()
		e.announce()
		if e.opt.Once && e.finished() || e.fatal {
			return e.verdict()
		}
		timer.Reset(e.untilDue())
		select {
		case <-ctx.Done():
			return nil
		case <-e.opt.Store.Changed():
		case f := <-e.events:
			f()
		case outcome := <-e.results:
			e.settle(outcome)
			e.announce() // at once: what became due meanwhile may be under way next
		case <-late:
			e.giveUp()
			return e.verdict()
		case <-timer.C:
		}
	}
}

// announce tells of the first complete state, and then of each change.
func (e *Engine) announce() {
	switch {
	case e.flying > 0:
	case !e.begun && e.complete():
		e.begun, e.changed = true, false
		for _, t := range e.targets {
			t.news = false
		}
		if e.opt.Complete != nil {
			e.opt.Complete()
		}
	case e.begun && e.changed:
		e.changed = false
		if e.opt.Changed != nil {
			e.opt.Changed()
		}
	}
}

// complete tells whether every template has its output in place.
func (e *Engine) complete() bool {
	for _, u := range e.units {
		if !u.done || len(u.target.failed) > 0 && !e.stands(u.target) {
			return false
		}
	}
	return !e.failed
}

// stands tells whether something is in place though the newest output is not: what was
// there before.
func (e *Engine) stands(t *target) bool {
	return t.plan.Undo && !slices.ContainsFunc(e.destinations(t), func(path string) bool {
		_, err := os.Stat(path)
		return err != nil
	})
}

// notice passes changed answers on to the templates that have read them.
func (e *Engine) notice() {
	now := time.Now()
	defer e.reconsider() // once it is known what is to be rendered anew
	for q, change := range e.opt.Store.Take() {
		_, rev, ok := e.opt.Store.Get(q)
		if !ok {
			continue
		}
		for _, u := range e.readers[q] {
			if e.opt.Once && u.rendered {
				continue // once is once, though it waits for others
			}
			u.notice(q, rev, change.Removals, now)
		}
	}
}

// render executes all templates that are due, and rolls out what differs.
func (e *Engine) render(ctx context.Context) {
	now := time.Now()
	ran := false
	for _, u := range e.units {
		if !u.isDue(now) {
			continue
		}
		ran = true
		if output, ok := e.execute(ctx, u); ok {
			e.hand(u, output)
		}
		e.moved = e.moved || u.moved
		u.moved = false
	}
	if e.moved && ran || len(e.units) == 0 && len(e.readers) > 0 {
		e.want()
		e.moved = false
	}
	e.rollOut(ctx, now)
}

// execute runs a template. ok tells whether there is output.
func (e *Engine) execute(ctx context.Context, u *unit) (output []byte, ok bool) {
	e.executions++
	before := u.notes
	output, ok, err := u.execute(ctx, e.opt.Store)
	if err != nil && (u.err == nil || u.err.Error() != err.Error()) {
		e.opt.Log.Error("template failed: its last good output stays", "error", err)
	}
	e.tellNotes(u, before)
	u.wait.begin(u.waiting() > 0, time.Now())
	u.err = err
	e.fatal = e.fatal || err != nil && u.spec.Fatal
	return output, ok
}

// hand passes the output of a template on: to be rolled out, or shown.
func (e *Engine) hand(u *unit, output []byte) {
	u.rendered = true
	file := u.spec.File
	file.Content, file.Why = output, u.why.take()
	if e.opt.Show == nil {
		if e.opt.Diff {
			e.logDiff(file)
		}
		r := ready{unit: u, files: append(u.writes, file), version: u.version}
		for i := range r.files {
			r.files[i].Template = u.spec.File.Path
		}
		u.target.take(r)
		u.writes = nil
		return
	}
	if !u.done || !bytes.Equal(u.shown, output) {
		u.err = e.show(file)
	}
	u.done, u.shown = true, output
}

// want tells which queries all templates together need.
func (e *Engine) want() {
	e.readers = map[watch.Query][]*unit{}
	set := watch.Set{}
	for _, u := range e.units {
		for q := range u.used {
			set.Add(q)
			e.readers[q] = append(e.readers[q], u)
		}
		for q := range u.missing {
			if _, both := u.used[q]; !both {
				set.Add(q)
				e.readers[q] = append(e.readers[q], u)
			}
		}
	}
	e.opt.Want(set)
}

// untilDue is the time until something has to be done.
func (e *Engine) untilDue() time.Duration {
	next := time.Now().Add(time.Hour)
	for _, u := range e.units {
		if u.canRun() && !u.dueAt.IsZero() && u.dueAt.Before(next) {
			next = u.dueAt
		}
		if at := u.wait.reportAt; !at.IsZero() && at.Before(next) {
			next = at
		}
	}
	for _, t := range e.targets {
		if at := t.dueAt(); !at.IsZero() && at.Before(next) {
			next = at
		}
	}
	return time.Until(next)
}

// finished tells whether every template has been dealt with once.
func (e *Engine) finished() bool {
	if e.flying > 0 {
		return false
	}
	for _, u := range e.units {
		if !u.done && u.err == nil {
			return false
		}
	}
	return true
}

// verdict is the result of Once.
func (e *Engine) verdict() error {
	for _, u := range e.units {
		e.failed = e.failed || u.err != nil
	}
	if e.failed || e.fatal {
		return ErrFailed
	}
	return nil
}
