package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"

	"github.com/ctmpl/ctmpl/render/child"
)

// listen has the signals arrive that heed acts on: those that are configured, SIGTERM
// and SIGINT, and all others for the program that is supervised.
func (d *daemon) listen(arrived chan os.Signal) {
	signal.Notify(arrived, syscall.SIGINT, syscall.SIGTERM)
	for _, s := range []syscall.Signal{d.killSignal, d.reloadSignal, d.approveSignal} {
		if s > 0 {
			signal.Notify(arrived, s)
		}
	}
	if d.child != nil {
		signal.Notify(arrived, child.Signals()...)
	}
}

// heed acts on signals until ctx ends. stop ends the daemon.
func (d *daemon) heed(ctx context.Context, arrived <-chan os.Signal, stop context.CancelCauseFunc) {
	stopping := false
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-arrived:
			switch s := s.(syscall.Signal); {
			case s == syscall.SIGPIPE: // of our own writing
			case s == d.reloadSignal:
				notify(d.reload)
			case s == d.approveSignal:
				go d.approve(ctx) // which waits for the engine
			case s != d.killSignal && !stopping && d.child.pass(s):
			case s != d.killSignal && s != syscall.SIGTERM && s != syscall.SIGINT:
			case stopping:
				d.endNow(s)
			default:
				stopping = true
				d.log.Info("ending", "signal", unix.SignalName(s))
				d.tell(systemd.SdNotifyStopping) // now: what is under way may take its time
				stop(errInterrupted)
			}
		}
	}
}

// endNow ends the process, whatever is under way, and what it supervises.
func (d *daemon) endNow(s syscall.Signal) {
	d.log.Warn("ending at once", "signal", unix.SignalName(s))
	d.child.kill()
	d.pid.remove(d.log)
	os.Exit(exitInterrupt)
}
