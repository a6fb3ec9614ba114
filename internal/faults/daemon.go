package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// daemon is a ctmpl that runs.
type daemon struct {
	cmd     *exec.Cmd
	started time.Time
	log     journal
	done    chan struct{} // closed when it has ended
}

// halt says where ctmpl is to halt, and how.
type halt struct {
	at     int // the number of the point; 0: nowhere
	signal syscall.Signal
}

// start starts ctmpl.
func (w *world) start() error { return w.launch(w.built.ctmpl) }

// startHalted starts ctmpl with a halt. Its points are gone through in w.path("points").
func (w *world) startHalted(h halt) error {
	_ = os.Remove(w.path("points"))
	return w.launch(w.built.halted, "CTMPL_HALT_AT="+strconv.Itoa(h.at), "CTMPL_HALT_SIGNAL="+strconv.Itoa(int(h.signal)), "CTMPL_HALT_LOG="+w.path("points"))
}

func (w *world) launch(program string, env ...string) error {
	if w.daemon != nil {
		if err := w.daemon.complaints(); err != nil {
			return err
		}
	}
	d := &daemon{started: time.Now(), done: make(chan struct{})}
	d.cmd = exec.Command(program, "-config", w.path("ctmpl.hcl"))
	d.cmd.Dir = w.dir
	d.cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	d.cmd.Env = append(append(d.cmd.Env, w.env...), env...)
	d.cmd.Stdout, d.cmd.Stderr = &d.log, &d.log
	d.cmd.WaitDelay = time.Second // for what a command has left behind
	d.cmd.SysProcAttr = dieWithUs()
	if err := d.cmd.Start(); err != nil {
		return err
	}
	go func() {
		_ = d.cmd.Wait()
		close(d.done)
	}()
	w.daemon = d
	return nil
}

// runs tells whether it has not ended.
func (d *daemon) runs() bool {
	select {
	case <-d.done:
		return false
	default:
		return true
	}
}

// kill ends it as a crash would.
func (d *daemon) kill() {
	_ = d.cmd.Process.Kill()
	<-d.done
}

// stop ends it as its user would.
func (d *daemon) stop() error {
	if !d.runs() {
		return nil
	}
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.done:
		return nil
	case <-time.After(patience):
		d.kill()
		return errors.New("ctmpl did not end")
	}
}

// killed waits for the end, which has to be that of SIGKILL.
func (w *world) killed() error {
	select {
	case <-w.daemon.done:
	case <-time.After(patience):
		return errors.New("ctmpl was not killed")
	}
	if status := w.daemon.cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGKILL {
		return fmt.Errorf("ctmpl has ended by itself: %s", w.daemon.cmd.ProcessState)
	}
	return nil
}

// complaints gives what must not be in a log.
func (d *daemon) complaints() error {
	text := d.log.since(0)
	for _, bad := range []string{"DATA RACE", "goroutine ", "panic:"} {
		if i := strings.Index(text, bad); i >= 0 {
			return fmt.Errorf("ctmpl has logged: %.3000s", text[i:])
		}
	}
	return nil
}

// logged waits for a text in the log behind a mark.
func (w *world) logged(mark int, text string) error {
	return w.wait(func() error {
		if !strings.Contains(w.daemon.log.since(mark), text) {
			return fmt.Errorf("ctmpl has not logged %q", text)
		}
		if !w.daemon.runs() {
			return errors.New("ctmpl has ended")
		}
		return nil
	})
}

// journal keeps the end of a log.
type journal struct {
	mu      sync.Mutex
	text    []byte
	dropped int // bytes that are gone
}

// journalSize is how much is kept.
const journalSize = 1 << 20

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.text = append(j.text, p...)
	if extra := len(j.text) - journalSize; extra > journalSize {
		j.text = append([]byte(nil), j.text[extra:]...)
		j.dropped += extra
	}
	return len(p), nil
}

// mark is where the log ends now.
func (j *journal) mark() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.dropped + len(j.text)
}

// since gives what was logged behind a mark.
func (j *journal) since(mark int) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return string(j.text[max(0, mark-j.dropped):])
}
