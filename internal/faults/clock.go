package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// jumpSource is added to the package time of the Go library: the clock of the day is
// ahead by as many seconds as a file says, an int64 that is mapped into memory. What the
// kernel shows, such as times of files, does not jump, nor does the monotonic clock: it
// never does.
const jumpSource = `package time

import (
	"syscall"
	"unsafe"
)

var ahead = new(int64)

func init() {
	path, _ := syscall.Getenv("CTMPL_CLOCK")
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	if memory, err := syscall.Mmap(fd, 0, 8, syscall.PROT_READ, syscall.MAP_SHARED); err == nil {
		ahead = (*int64)(unsafe.Pointer(&memory[0]))
	}
}
`

// now is the line of time.Now after which the jump comes.
const now = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"

// buildJumping builds a ctmpl whose clock can jump.
func (t *trial) buildJumping() error {
	dir, err := os.MkdirTemp("", "ctmpl-clock-")
	if err != nil {
		return err
	}
	t.later(func() error { return os.RemoveAll(dir) })
	root, err := exec.CommandContext(t.ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return err
	}
	library := filepath.Join(strings.TrimSpace(string(root)), "src", "time")
	text, err := os.ReadFile(filepath.Join(library, "time.go"))
	if err != nil {
		return err
	}
	changed := strings.Replace(string(text), now, now+"\tsec += *ahead\n", 1)
	if changed == string(text) {
		return errors.New("time.Now is not as expected: see buildJumping")
	}
	replace := map[string]string{
		filepath.Join(library, "time.go"): filepath.Join(dir, "time.go"),
		filepath.Join(library, "jump.go"): filepath.Join(dir, "jump.go"),
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return err
	}
	for name, content := range map[string]string{"time.go": changed, "jump.go": jumpSource, "overlay.json": string(overlay)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	t.clock = filepath.Join(dir, "clock")
	t.env = append(t.env, "CTMPL_CLOCK="+t.clock)
	if err := t.jump(0); err != nil {
		return err
	}
	t.built, err = build(t.ctx, dir, false, "-overlay", filepath.Join(dir, "overlay.json"))
	return err
}

// jumps are how far the clock is off, one after the other.
var jumps = []time.Duration{time.Hour, -time.Hour, 0, 10 * 365 * 24 * time.Hour, -10 * 365 * 24 * time.Hour, 0}

// jump sets the clock.
func (t *trial) jump(d time.Duration) error {
	file, err := os.OpenFile(t.clock, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	return errors.Join(binary.Write(file, binary.NativeEndian, int64(d/time.Second)), file.Close())
}

// clockJumps has the clock jump between changes, while a guard holds something, and
// between two starts.
func clockJumps(t *trial) error {
	if err := t.buildJumping(); err != nil {
		return err
	}
	agent, err := t.agent(servers.ConsulOptions{})
	if err != nil {
		return err
	}
	w, err := t.follow(options{agent: agent, top: guarded + "min_reload_interval = \"1s\"\nmax_reloads_per_minute = 30"})
	if err != nil {
		return err
	}
	var took times
	for _, d := range jumps {
		if err := errors.Join(t.jump(d), w.next("")); err != nil {
			return err
		}
		one, err := w.settled()
		if err != nil {
			return fmt.Errorf("with the clock off by %s: %w", d, err)
		}
		if took = append(took, one); one > 5*time.Second {
			return fmt.Errorf("with the clock off by %s a change took %s", d, one)
		}
	}
	t.note("%d jumps of up to 20 years; a change after that live in %s", len(jumps), took)
	if err := w.jumpWhileHeld(); err != nil {
		return err
	}
	for _, d := range jumps {
		if err := errors.Join(w.daemon.stop(), t.jump(d), w.next(""), w.start()); err != nil {
			return err
		}
		if _, err := w.settled(); err != nil {
			return fmt.Errorf("started with the clock off by %s: %w", d, err)
		}
	}
	return nil
}

// jumpWhileHeld has a guard hold that all instances go. That time passes on the clock
// does not let it go live.
func (w *world) jumpWhileHeld() error {
	live, mark := w.now, w.daemon.log.mark()
	if err := errors.Join(w.say(state{rev: live.rev + 1}), w.logged(mark, "rollout held")); err != nil {
		return err
	}
	for _, d := range jumps {
		if err := errors.Join(w.jump(d), w.stays(live)); err != nil {
			return fmt.Errorf("held, with the clock off by %s: %w", d, err)
		}
	}
	if year := time.Now().Add(jumps[3]).Format("\n2006-"); !strings.Contains(w.daemon.log.since(0), year) {
		return errors.New("the clock did not jump")
	}
	if err := w.next(""); err != nil {
		return err
	}
	_, err := w.settled()
	return err
}
