package nginx

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ctmpl/ctmpl/render/rollout"
)

// The pause between two looks at the master grows from the first to the second. The
// old workers stay for 100 ms beside the new ones, which is not to be missed.
const (
	firstPause = time.Millisecond
	lastPause  = 20 * time.Millisecond
)

// calmTime is how long the reload of somebody else may take before ours begins beside
// it. Five attempts to bind a port take 2.5 s.
const calmTime = 5 * time.Second

// Reload sends SIGHUP to the master and waits for the verdict.
func (d *Driver) Reload(ctx context.Context, version string) error {
	in, err := d.find(ctx)
	if in.master == nil {
		return in.why
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, d.cfg.ReloadTimeout)
	defer cancel()
	r := d.prepare(ctx, in)
	defer r.log.close()
	if err := in.master.signalHUP(); err != nil {
		if !in.master.lives() {
			return r.dead()
		}
		return err
	}
	if err := poll(ctx, r.judge); err != nil {
		return d.explain(ctx, err, r.missing)
	}
	return d.awaitVersion(ctx, version)
}

// errPending says that there is no verdict yet.
var errPending = errors.New("pending")

// poll calls f until it gives anything but errPending, or ctx ends.
func poll(ctx context.Context, f func() error) error {
	for pause := firstPause; ; pause = min(pause*5/4+1, lastPause) {
		if err := f(); !errors.Is(err, errPending) {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

// explain puts what is missing, and why, in the place of the end of the time.
func (d *Driver) explain(ctx context.Context, err error, missing func() (what, why string)) error {
	if err == nil || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return err
	}
	what, why := missing()
	return fmt.Errorf("%s within %s: %s", what, d.cfg.ReloadTimeout, why)
}

// reload is a reload under way.
type reload struct {
	master  *master
	before  []child
	log     *logTail
	hears   bool // the log is where the master complains
	idle    func(*master) (idle, known bool)
	tells   bool // the kernel shows when the master is idle
	overlap bool // new workers were seen while all old ones were still there
}

// prepare remembers how it is before the SIGHUP, at a moment when no other reload is
// under way.
func (d *Driver) prepare(ctx context.Context, in instance) *reload {
	r := &reload{master: in.master, idle: d.idle}
	calm, cancel := context.WithTimeout(ctx, min(calmTime, d.cfg.ReloadTimeout/2))
	defer cancel()
	_ = poll(calm, func() error {
		idle, known := r.idle(r.master)
		r.tells = idle
		if known && !idle && r.master.lives() {
			return errPending
		}
		return nil
	})
	s := settingsOf(in.conf, in.globals, in.prefix)
	if len(s.errorLogs) == 0 && !s.toStderr && in.logPath != "stderr" {
		s.errorLogs = []string{in.logPath}
	}
	r.log = tailLogs(in.master.pid, s.errorLogs)
	r.hears = len(s.errorLogs) > 0 && r.log.readable()
	r.before = children(in.master.pid)
	return r
}

// dead says that the master has ended.
func (r *reload) dead() error {
	err := fmt.Errorf("nginx is not running any more: its master process %d ended during the reload", r.master.pid)
	if said := complaint(r.log.read(), false); said != "" {
		err = fmt.Errorf("%w: %s", err, said)
	}
	return err
}

// workers is what has become of the workers.
type workers struct {
	old    []int // serve from before
	gone   int   // served before, and have ended
	fresh  int   // serve, and were not there before
	unborn int   // were just forked
}

func (r *reload) workers() workers {
	now := make(map[process]role)
	for _, c := range children(r.master.pid) {
		now[c.process] = c.role
	}
	var w workers
	for _, c := range r.before {
		role, there := now[c.process]
		delete(now, c.process)
		switch {
		case c.role != serving && c.role != unborn:
		case !there:
			w.gone++
		case role == serving || role == unborn:
			w.old = append(w.old, c.pid)
		}
	}
	for _, role := range now {
		switch role {
		case serving:
			w.fresh++
		case unborn:
			w.unborn++
		}
	}
	return w
}

// judge gives nil when the new configuration is live and errPending when that is open.
//
// A worker that crashes is replaced by one of the old configuration, which looks like
// a new one. So all old ones have to be on their way out, and there must be no
// complaint. Where no complaint could be seen, new workers beside all old ones are
// proof: one that replaces another does not live at the same time.
func (r *reload) judge() error {
	if !r.master.lives() {
		return r.dead()
	}
	idle, _ := r.idle(r.master) // before the workers: what it has done by then is seen
	w := r.workers()
	if w.fresh > 0 && w.gone == 0 {
		r.overlap = true
	}
	if r.tells && !idle {
		return errPending
	}
	lines := r.log.read()
	if final(lines) {
		return refused(lines)
	}
	switch {
	case len(w.old) == 0 && w.fresh > 0 && (r.overlap || r.hears):
		return nil
	case len(w.old) == 0 && w.fresh > 0:
		return errors.New("nginx has replaced its workers one after the other, as it does when they crash, and its error log cannot be read: whether it took the configuration is not known")
	case r.tells && w.fresh == 0 && w.unborn == 0 && len(w.old) == 0:
		return fmt.Errorf("nginx has no worker after the reload: %s", firstOf(complaint(lines, true), "see its error log"))
	case r.tells && w.fresh == 0 && w.unborn == 0:
		return refused(lines)
	}
	return errPending
}

// missing says what the end of the time found missing.
func (r *reload) missing() (what, why string) {
	w := r.workers()
	why = firstOf(complaint(r.log.read(), true), "see the error log of nginx")
	idle, _ := r.idle(r.master)
	switch {
	case r.tells && !idle:
		return "no new worker", "the master process is still busy with the configuration"
	case w.fresh > 0 && len(w.old) > 0:
		return fmt.Sprintf("worker process %d did not stop to serve the old configuration", w.old[0]), why
	}
	return "no new worker", why
}

// refused is the error of a master that keeps its workers.
func refused(lines []logLine) error {
	return fmt.Errorf("nginx refused to reload and %w: %s", rollout.ErrKept,
		firstOf(complaint(lines, true), "it does not say why in its error log, as far as that can be read"))
}

// final tells whether the master has given up. A port in use is tried 5 times.
func final(lines []logLine) bool {
	return slices.ContainsFunc(lines, func(l logLine) bool {
		again := strings.HasPrefix(l.text, "bind() to ") || strings.HasPrefix(l.text, "listen() to ")
		return l.level == "emerg" && !again
	})
}

// complaint gives what a master has said, as one line: its emergencies, or else,
// when anything will do, the last that was worse than a warning.
func complaint(lines []logLine, anything bool) string {
	var out []string
	last := ""
	for _, l := range lines {
		switch l.level {
		case "emerg":
			out = append(out, l.text)
		case "alert", "crit", "error":
			last = "[" + l.level + "] " + l.text
		}
	}
	if len(out) > 0 {
		return bounded("[emerg] " + strings.Join(out, "; "))
	}
	if anything {
		return bounded(last)
	}
	return ""
}
