package nginx

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// master is a process that was seen to be a master process of nginx.
type master struct {
	process
	launch
}

// identity is what a master process has to be.
type identity struct {
	binary   string // its program; any nginx when empty
	fallback string // a program that is nginx whatever its name
	conf     string // its main file; any when empty
}

// verify looks whether a process is the master process that is wanted. The error
// names the process and says what it is instead.
func (d *Driver) verify(ctx context.Context, pid int, want identity) (*master, error) {
	p, ok := look(pid)
	if !ok {
		return nil, fmt.Errorf("the process %d, which does not exist", pid)
	}
	title, exe := title(pid), program(pid)
	if exe == "" && strings.HasPrefix(title, masterTitle) {
		return nil, fmt.Errorf("the process %d, of which ctmpl may not see what it runs (run ctmpl as the same user)", pid)
	}
	if !isNginx(exe, want) || !strings.HasPrefix(title, masterTitle) {
		return nil, fmt.Errorf("the process %d, which is %.80q (%s) and not a master process of nginx", pid, title, exe)
	}
	l, err := d.launchOf(ctx, pid, title)
	if err != nil {
		return nil, fmt.Errorf("the process %d, of which the main file is not known: %w", pid, err)
	}
	if want.conf != "" && resolve(l.conf) != resolve(want.conf) {
		return nil, fmt.Errorf("the process %d, which is an nginx with the main file %s and not %s", pid, l.conf, want.conf)
	}
	if !p.lives() { // what was read may be of two processes
		return nil, fmt.Errorf("the process %d, which has just ended", pid)
	}
	return &master{p, l}, nil
}

// isNginx tells whether a program is the one that is wanted, or any nginx.
func isNginx(exe string, want identity) bool {
	if exe == "" {
		return false
	}
	if want.binary != "" {
		return sameProgram(exe, want.fallback)
	}
	return slices.Contains(programs, filepath.Base(exe)) || sameProgram(exe, want.fallback)
}

// programs are the names that nginx and what comes from it go by. They are asked with
// -V, so another name is no invitation to be run.
var programs = []string{"nginx", "nginx-debug", "nginx.old", "openresty", "tengine", "angie", "freenginx"}

func sameProgram(exe, wanted string) bool { return wanted != "" && exe == resolve(wanted) }

// launchOf completes the arguments of a master's title: all paths become absolute.
func (d *Driver) launchOf(ctx context.Context, pid int, title string) (launch, error) {
	l := parseTitle(title)
	if l.prefix != "" && !filepath.IsAbs(l.prefix) {
		dir, err := os.Readlink(proc(pid, "cwd"))
		if err != nil {
			return l, err
		}
		l.prefix = filepath.Join(dir, l.prefix)
	}
	if filepath.IsAbs(l.conf) {
		return l, nil
	}
	exe := program(pid)
	if _, err := os.Stat(exe); err != nil {
		exe = proc(pid, "exe")
	}
	b, err := d.builds.of(ctx, exe)
	if err != nil {
		return l, err
	}
	l.conf = absolute(firstOf(l.conf, b.conf), firstOf(l.prefix, b.prefix))
	return l, nil
}

// masters are the master processes that are wanted. Those in containers, which have
// numbers of their own, are somebody else's.
func (d *Driver) masters(ctx context.Context, want identity) []*master {
	own, _ := os.Readlink("/proc/self/ns/pid")
	var all, out []*master
	for _, pid := range everybody() {
		if !strings.HasPrefix(title(pid), masterTitle) {
			continue
		}
		if space, _ := os.Readlink(proc(pid, "ns/pid")); space != own {
			continue
		}
		if m, err := d.verify(ctx, pid, want); err == nil {
			all = append(all, m)
		}
	}
	for _, m := range all {
		if !justForked(m.pid, all) {
			out = append(out, m)
		}
	}
	return out
}

// justForked tells whether a process is a worker that still has the title of its
// master. A master that is the child of another one, which is how nginx is upgraded,
// has workers of its own.
func justForked(pid int, masters []*master) bool {
	fields := statFields(pid)
	return len(fields) <= fieldParent || len(childPIDs(pid)) == 0 &&
		slices.ContainsFunc(masters, func(m *master) bool { return strconv.Itoa(m.pid) == fields[fieldParent] })
}

// signalHUP asks the master to reload.
func (m *master) signalHUP() error {
	err := m.signal(syscall.SIGHUP)
	if errors.Is(err, syscall.EPERM) {
		return fmt.Errorf("send SIGHUP to nginx (process %d): %w (run ctmpl as root or as the user that nginx was started by)", m.pid, err)
	}
	if err != nil {
		return fmt.Errorf("send SIGHUP to nginx (process %d): %w", m.pid, err)
	}
	return nil
}
