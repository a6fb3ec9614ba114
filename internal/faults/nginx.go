package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// refused makes the catalog say something that is not to go live, and waits until that
// has been seen.
func (w *world) refused(extra string) (took time.Duration, err error) {
	before, mark, start := w.now, w.daemon.log.mark(), time.Now()
	if err := w.inject(extra); err != nil {
		return 0, err
	}
	if err := w.logged(mark, "rollout failed"); err != nil {
		return 0, err
	}
	took = time.Since(start)
	_, err = w.settledAt(before)
	return took, err
}

// badConfig has the catalog hold what nginx does not take.
func badConfig(t *trial) error {
	w, err := t.follow(options{})
	if err != nil {
		return err
	}
	var took times
	list := []string{"no_such_directive;", "server {", "}", "upstream web { server 127.0.0.1:1; }", "include /nowhere/x;"}
	for _, extra := range list {
		if _, err := w.refused(extra); err != nil {
			return fmt.Errorf("with %q: %w", extra, err)
		}
		if err := w.next(""); err != nil {
			return err
		}
		d, err := w.settled()
		if err != nil {
			return err
		}
		took = append(took, d)
	}
	t.note("%d kinds; data is good again to all well %s", len(list), took)
	return nil
}

// portTaken has a configuration listen where somebody else does, which nginx -t does
// not see.
func portTaken(t *trial) error {
	w, err := t.follow(options{})
	if err != nil {
		return err
	}
	port, err := servers.FreePort()
	if err != nil {
		return err
	}
	other, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	defer other.Close()
	took, err := w.refused(fmt.Sprintf("server { listen 127.0.0.1:%d; }", port))
	if err != nil {
		return err
	}
	t.note("put back after %s", short(took))
	if err := other.Close(); err != nil {
		return err
	}
	freed, err := w.settled()
	t.note("port is free to all well %s", short(freed))
	return err
}

// nginxDown is nginx killed, and started again after a while.
var nginxDown = interruption{
	begin: func(w *world) error { w.nginx.Kill(); return nil },
	end:   func(w *world) error { return w.nginx.Restart(w.ctx) },
	nginx: true,
}

// nginxKilledInReload kills nginx while it reads a large configuration.
func nginxKilledInReload(t *trial) error {
	w, err := t.follow(options{})
	if err != nil {
		return err
	}
	var large strings.Builder
	for i := range 4000 {
		fmt.Fprintf(&large, "upstream large-%d { server 127.0.0.1:65535 down; }\n", i)
	}
	rounds := 1
	if t.full {
		rounds = 10
	}
	var took times
	for range rounds {
		d, err := w.killNginx(large.String())
		if err != nil {
			return err
		}
		took = append(took, d)
	}
	t.note("%d times; nginx is back to all well %s", rounds, took)
	return nil
}

func (w *world) killNginx(extra string) (took time.Duration, err error) {
	err = w.excuse(func() error {
		if err := w.next(extra); err != nil {
			return err
		}
		if err := w.wait(func() error { return same(w.live(), w.now.file()) }); err != nil {
			return err
		}
		select { // somewhere within the reload
		case <-time.After(time.Duration(rand.Int64N(int64(200 * time.Millisecond)))):
		case <-w.ctx.Done():
		}
		w.nginx.Kill()
		return w.nginx.Restart(w.ctx)
	})
	if err != nil {
		return 0, err
	}
	if took, err = w.settled(); err != nil {
		return took, err
	}
	if err := w.next(""); err != nil {
		return took, err
	}
	_, err = w.settled()
	return took, err
}

// nginxFrozen has nginx stand still during a reload, so that there is no verdict.
func nginxFrozen(t *trial) error {
	w, err := t.follow(options{top: `nginx { reload_timeout = "1s" config = "DIR/nginx.conf" pid_file = "DIR/nginx.pid" }`})
	if err != nil {
		return err
	}
	mark := w.daemon.log.mark()
	if err := syscall.Kill(w.nginx.PID(), syscall.SIGSTOP); err != nil {
		return err
	}
	err = errors.Join(w.next(""), w.logged(mark, "rollout failed"))
	if err := errors.Join(err, syscall.Kill(w.nginx.PID(), syscall.SIGCONT)); err != nil {
		return err
	}
	took, err := w.settled()
	t.note("nginx goes on to all well %s", short(took))
	return err
}
