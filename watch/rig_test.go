package watch_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ctmpl/ctmpl/watch"
	"github.com/ctmpl/ctmpl/watch/watchtest"
)

// rig is a scheduler with a fake source. It lives in a bubble of virtual time.
type rig struct {
	*watchtest.Source
	t     *testing.T
	store *watch.Store
	sched *watch.Scheduler
	log   *journal
	stop  context.CancelFunc
	ended chan struct{}
	err   error // of Run, when ended is closed
	// lingers is how long the source needs to end when its context has ended.
	lingers time.Duration
}

// virtual runs a test in virtual time.
func virtual(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, f)
}

// newRig makes a scheduler that does not run yet.
func newRig(t *testing.T, opt watch.Options) *rig {
	r := &rig{Source: watchtest.New(), t: t, store: watch.NewStore(), log: &journal{}, ended: make(chan struct{})}
	opt.Name, opt.Log = "fake", slog.New(r.log)
	r.sched = watch.NewScheduler(r.Source, r.store, opt)
	return r
}

// run starts the scheduler; it is stopped at the end of the test, and must then end
// without waiting for anything but its source.
func (r *rig) run() {
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	go func() {
		defer close(r.ended)
		r.err = r.sched.Run(ctx)
	}()
	r.t.Cleanup(func() {
		cancel()
		pass(r.lingers)
		select {
		case <-r.ended:
		default:
			r.t.Error("Run goes on after its context has ended")
		}
	})
	synctest.Wait()
}

// want makes the queries the wanted set and lets the scheduler act on it.
func (r *rig) want(queries ...watch.Query) {
	set := watch.Set{}
	for _, q := range queries {
		set.Add(q)
	}
	r.sched.Want(set)
	synctest.Wait()
}

// pass lets time pass.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// set changes the answer to q and lets the scheduler act on it.
func (r *rig) set(q watch.Query, value any) {
	r.Set(q, value)
	synctest.Wait()
}

// has checks what the store knows of q; nil stands for nothing.
func (r *rig) has(q watch.Query, want any) {
	r.t.Helper()
	if got, _, _ := r.store.Get(q); got != want {
		r.t.Errorf("%s: the store has %v, want %v", q, got, want)
	}
}

// hasAll checks that the store has what the source has.
func (r *rig) hasAll(queries []watch.Query) {
	r.t.Helper()
	wrong := 0
	for _, q := range queries {
		if got, _, _ := r.store.Get(q); got != r.Value(q) {
			wrong++
		}
	}
	if wrong > 0 {
		r.t.Errorf("%d of %d answers are not the newest", wrong, len(queries))
	}
}

// logged checks the lines of a level, each by a part of it.
func (r *rig) logged(level slog.Level, want ...string) {
	r.t.Helper()
	got := r.log.lines(level)
	ok := len(got) == len(want)
	for i := range min(len(got), len(want)) {
		ok = ok && strings.Contains(got[i], want[i])
	}
	if !ok {
		r.t.Errorf("%s lines of the log:\n%s\nwant %q", level, strings.Join(got, "\n"), want)
	}
}

func key(i int) watch.Query {
	return watch.Query{Kind: watch.KindKey, Name: fmt.Sprintf("k%04d", i)}
}

// keys gives n queries and the source an answer to each.
func (r *rig) keys(n int) []watch.Query {
	list := make([]watch.Query, n)
	for i := range list {
		list[i] = key(i)
		r.Set(list[i], fmt.Sprintf("first %d", i))
	}
	return list
}

// journal is a slog.Handler that remembers.
type journal struct {
	mu      sync.Mutex
	records []slog.Record
}

func (j *journal) Enabled(context.Context, slog.Level) bool { return true }
func (j *journal) WithAttrs([]slog.Attr) slog.Handler       { return j }
func (j *journal) WithGroup(string) slog.Handler            { return j }

func (j *journal) Handle(_ context.Context, r slog.Record) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.records = append(j.records, r)
	return nil
}

// lines gives the lines of one level.
func (j *journal) lines(level slog.Level) []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []string
	for _, r := range j.records {
		if r.Level != level {
			continue
		}
		line := r.Message
		r.Attrs(func(a slog.Attr) bool { line += fmt.Sprintf(" %s=%v", a.Key, a.Value); return true })
		out = append(out, line)
	}
	return out
}

// calls records when a source was asked what.
type calls struct {
	mu   sync.Mutex
	list []call
}

type call struct {
	q     watch.Query
	after uint64
	hold  time.Duration
	at    time.Time
}

// record makes the rig's source tell of each Fetch.
func (r *rig) record() *calls {
	c := &calls{}
	r.OnFetch(func(q watch.Query, after uint64, hold time.Duration) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.list = append(c.list, call{q, after, hold, time.Now()})
	})
	return c
}

// take gives what was recorded since the last take.
func (c *calls) take() []call {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.list
	c.list = nil
	return list
}
