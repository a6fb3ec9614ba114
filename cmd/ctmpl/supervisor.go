package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ctmpl/ctmpl/cmd/ctmpl/config"
	"github.com/ctmpl/ctmpl/render/child"
)

// supervisor runs the program of exec mode: from the first complete state on, until
// it ends or ctmpl does.
type supervisor struct {
	spec    child.Spec
	log     *slog.Logger
	begin   chan struct{} // capacity 1: the program is to start
	changed chan struct{} // capacity 1: it is to be reloaded
	signals chan syscall.Signal
	program atomic.Pointer[child.Child] // nil while it does not run
	listens atomic.Bool                 // signals are for the program: it runs, or is about to
}

// childExit says that the program has ended, with its exit code.
type childExit struct{ code int }

func (e *childExit) Error() string { return fmt.Sprintf("the program has ended with code %d", e.code) }

func newSupervisor(cfg *config.Config, log *slog.Logger) *supervisor {
	return &supervisor{
		spec: childSpec(cfg), log: log,
		begin: make(chan struct{}, 1), changed: make(chan struct{}, 1), signals: make(chan syscall.Signal, 16),
	}
}

func (s *supervisor) start() { notify(s.begin) }

func (s *supervisor) reload() { notify(s.changed) }

// pass passes a signal on to the program, and tells whether there is one.
func (s *supervisor) pass(sig syscall.Signal) bool {
	if s == nil || !s.listens.Load() {
		return false
	}
	select {
	case s.signals <- sig:
	default: // it does not take any more
	}
	return true
}

// kill ends the program at once.
func (s *supervisor) kill() {
	if s == nil {
		return
	}
	if program := s.program.Load(); program != nil {
		program.Kill()
	}
}

// run waits for the first complete state and supervises the program from then on.
// The error is a *childExit when it has ended by itself. When ctx ends, it is
// ended once rendered is closed, since until then its files may still change.
func (s *supervisor) run(ctx context.Context, rendered <-chan struct{}) error {
	select {
	case <-ctx.Done():
		return nil
	case <-s.begin:
	}
	if ctx.Err() != nil { // both have come: it would be ended at once
		return nil
	}
	s.listens.Store(true) // before it starts: what it does then may be the reason for a signal
	defer s.listens.Store(false)
	program, err := child.Start(context.WithoutCancel(ctx), s.spec, s.log)
	if err != nil {
		return err
	}
	s.program.Store(program)
	defer s.program.Store(nil)
	defer program.Stop()
	var late <-chan time.Time // for the program to have ended after a SIGTERM
	for {
		select {
		case <-ctx.Done():
			<-rendered
			return nil
		case code := <-program.Exited():
			if code == child.NoCode {
				code = exitRuntime
			}
			return &childExit{code}
		case <-s.changed:
			program.Reload()
		case sig := <-s.signals:
			program.Signal(sig)
			if sig == syscall.SIGTERM && late == nil {
				late = time.After(cmp.Or(s.spec.KillTimeout, child.DefaultKillTimeout))
			}
		case <-late:
			s.log.Warn("the program has not ended after SIGTERM: killing it")
			program.Signal(syscall.SIGKILL)
		}
	}
}
