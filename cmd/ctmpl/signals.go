package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/ctmpl/ctmpl/render/child"
)

// heed acts on signals until ctx ends: those that are configured, SIGTERM and
// SIGINT. All others are for the program that is supervised. stop ends the daemon.
func (d *daemon) heed(ctx context.Context, arrived chan os.Signal, stop context.CancelCauseFunc) {
	kill, reload := syscall.Signal(d.cfg.KillSignal), syscall.Signal(d.cfg.ReloadSignal)
	signal.Notify(arrived, syscall.SIGINT, syscall.SIGTERM)
	for _, s := range []syscall.Signal{kill, reload} {
		if s > 0 {
			signal.Notify(arrived, s)
		}
	}
	if d.child != nil {
		signal.Notify(arrived, child.Signals()...)
	}
	stopping := false
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-arrived:
			switch s := s.(syscall.Signal); {
			case s == syscall.SIGPIPE: // of our own writing
			case s == reload:
				notify(d.reload)
			case s != kill && !stopping && d.child.pass(s):
			case s != kill && s != syscall.SIGTERM && s != syscall.SIGINT:
			case stopping:
				d.endNow(s)
			default:
				stopping = true
				d.log.Info("ending", "signal", unix.SignalName(s))
				stop(errInterrupted)
			}
		}
	}
}

// endNow ends the process, whatever is under way, and what it supervises.
func (d *daemon) endNow(s syscall.Signal) {
	d.log.Warn("ending at once", "signal", unix.SignalName(s))
	d.child.kill()
	os.Exit(exitInterrupt)
}
