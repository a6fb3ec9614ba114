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
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case s := <-arrived:
				d.signal(s.(syscall.Signal), kill, reload, stop)
			}
		}
	}()
}

func (d *daemon) signal(s, kill, reload syscall.Signal, stop context.CancelCauseFunc) {
	switch {
	case s == syscall.SIGPIPE: // of our own writing
	case s == reload:
		notify(d.reload)
	case s != kill && d.child.pass(s):
	case s == kill, s == syscall.SIGTERM, s == syscall.SIGINT:
		d.log.Info("ending", "signal", unix.SignalName(s))
		// A second signal ends the program at once.
		signal.Reset(syscall.SIGINT, syscall.SIGTERM, s)
		stop(errInterrupted)
	}
}
