package child

import (
	"context"
	"fmt"
	"log/slog"
	"syscall"
	"time"
)

// NoCode is what Exited gives when there is no exit code, since the child could not
// be started anew. The reason has been logged.
const NoCode = -1

// signalsKept is how many signals wait while the child is started anew.
const signalsKept = 16

// Child is the supervised program. It is safe for use by several goroutines.
type Child struct {
	spec    Spec
	log     *slog.Logger
	cancel  context.CancelFunc
	hurry   context.CancelFunc // no process is waited for any more
	reload  chan struct{}      // capacity 1: something has changed
	signals chan syscall.Signal
	exited  chan int      // capacity 1
	done    chan struct{} // closed when all has ended
}

// Start starts the child. It is stopped when ctx ends.
func Start(ctx context.Context, spec Spec, log *slog.Logger) (*Child, error) {
	spec, err := spec.filled()
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	mercy, hurry := context.WithCancel(context.Background())
	p, err := start(mercy, spec, log)
	if err != nil {
		hurry()
		return nil, fmt.Errorf("cannot start the child %q: %w", spec, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	c := &Child{
		spec: spec, log: log, cancel: cancel, hurry: hurry,
		reload: make(chan struct{}, 1), signals: make(chan syscall.Signal, signalsKept),
		exited: make(chan int, 1), done: make(chan struct{}),
	}
	go c.run(ctx, mercy, p)
	return c, nil
}

// Exited gives the exit code of a child that has ended by itself, or by a signal
// that was passed on to it: 128 + n when it died of signal n. It gives nothing when
// the child was stopped.
func (c *Child) Exited() <-chan int { return c.exited }

// Reload tells the child that something has changed, once the splay is over. It does
// not wait for that.
func (c *Child) Reload() {
	select {
	case c.reload <- struct{}{}:
	default: // one is to come
	}
}

// Signal passes a signal on. The signal for a reload waits for the splay as Reload
// does; after the one to end it the child has its time to end, and Exited gives its
// code. While the child is started anew signals wait for the new one.
func (c *Child) Signal(s syscall.Signal) {
	if s <= 0 {
		return
	}
	select {
	case c.signals <- s:
	default:
		c.log.Warn("signal not passed on: too many wait for the child", "signal", signalName(s))
	}
}

// Stop ends the child, without a splay, and returns when nothing of it is left. Once
// stopped, it stays so.
func (c *Child) Stop() {
	c.cancel()
	<-c.done
}

// Kill is Stop without any patience.
func (c *Child) Kill() {
	c.hurry()
	c.Stop()
}

// run looks after one process after the other. They have time to end while mercy
// lasts.
func (c *Child) run(ctx, mercy context.Context, p *process) {
	defer close(c.done)
	defer c.hurry()
	defer c.cancel()
	for c.attend(ctx, p) {
		next, err := start(mercy, c.spec, c.log)
		if err != nil {
			c.log.Error("the child could not be started anew", "command", c.spec.String(), "error", err)
			c.exited <- NoCode
			return
		}
		p = next
	}
}

// attend looks after a process until it is gone, and tells whether another one is to
// take its place.
func (c *Child) attend(ctx context.Context, p *process) (again bool) {
	var due <-chan time.Time // the end of the splay, while a reload is to come
	for {
		select {
		case <-ctx.Done():
			p.end()
			return false
		case <-p.ended:
			return c.over(ctx, p, due != nil && c.restarts())
		case <-c.reload:
			due = c.plan(due)
		case s := <-c.signals:
			switch s {
			case c.spec.ReloadSignal:
				due = c.plan(due)
			case c.spec.KillSignal:
				p.end()
				return c.over(ctx, p, false)
			default:
				p.signal(s)
			}
		case <-due:
			due = nil
			if c.restarts() {
				c.log.Info("starting the child anew", "command", c.spec.String(), "pid", p.pid())
				p.end()
				return ctx.Err() == nil
			}
			p.signal(c.spec.ReloadSignal)
			c.log.Info("told the child to reload", "signal", signalName(c.spec.ReloadSignal), "pid", p.pid())
		}
	}
}

// restarts tells whether a reload is a stop and a start.
func (c *Child) restarts() bool { return c.spec.ReloadSignal == 0 }

// plan begins the splay of a reload, unless one is to come already.
func (c *Child) plan(due <-chan time.Time) <-chan time.Time {
	if due != nil || c.spec.ReloadSignal == NoSignal {
		return due
	}
	return time.After(c.spec.delay())
}

// over deals with a process that has ended: it is the end of the program, unless it
// was to be started anew.
func (c *Child) over(ctx context.Context, p *process, restart bool) (again bool) {
	if !restart {
		c.exited <- p.code()
	}
	p.clear()
	return restart && ctx.Err() == nil
}
