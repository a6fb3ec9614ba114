package nginx

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/ctmpl/ctmpl/render/rollout"
)

// instance is nginx as it was found just now.
type instance struct {
	binary  string
	conf    string   // absolute, as nginx was or would be started with it
	prefix  string   // for relative paths
	args    []string // that the master has and nginx -t is to have
	globals string   // what -g says
	logPath string   // where errors go without a directive
	master  *master  // nil when it does not run
	why     error    // it does not; a rollout.ErrNotRunning
}

// find looks for nginx anew. Without a binary there is nothing to check with.
func (d *Driver) find(ctx context.Context) (instance, error) {
	var in instance
	m, why := d.findMaster(ctx)
	in.master, in.why = m, why
	var err error
	if in.binary, err = d.binary(m); err != nil {
		return in, err
	}
	b, err := d.builds.of(ctx, in.binary)
	if err != nil {
		return in, err
	}
	var l launch
	if m != nil {
		l = m.launch
	}
	in.prefix = b.prefix
	if l.prefix = firstOf(d.cfg.Prefix, l.prefix); l.prefix != "" {
		in.prefix = l.prefix
	}
	in.conf = absolute(firstOf(d.cfg.Conf, l.conf, b.conf), in.prefix)
	in.globals, in.logPath = l.globals, firstOf(l.errorLog, b.errorLog)
	if in.logPath != "stderr" {
		in.logPath = absolute(in.logPath, in.prefix)
	}
	for _, option := range [][2]string{{"-p", l.prefix}, {"-e", l.errorLog}, {"-g", l.globals}} {
		if option[1] != "" {
			in.args = append(in.args, option[:]...)
		}
	}
	return in, nil
}

func firstOf(values ...string) string {
	if i := slices.IndexFunc(values, func(s string) bool { return s != "" }); i >= 0 {
		return values[i]
	}
	return ""
}

// binary is the nginx to check with: what is configured, what runs, what there is.
func (d *Driver) binary(m *master) (string, error) {
	switch {
	case d.cfg.Binary != "":
		path, err := exec.LookPath(d.cfg.Binary)
		if err != nil {
			return "", fmt.Errorf("find nginx: %w (binary)", err)
		}
		return filepath.Abs(path)
	case m == nil:
		return defaultBinary()
	}
	path := program(m.pid)
	if _, err := os.Stat(path); err != nil { // it was removed, and is still there for its process
		return proc(m.pid, "exe"), nil
	}
	return path, nil
}

// findMaster gives the verified master process. The error is a rollout.ErrNotRunning,
// unless nginx runs in a way that cannot be reloaded.
func (d *Driver) findMaster(ctx context.Context) (*master, error) {
	want := identity{binary: d.cfg.Binary}
	var b built
	binary, err := d.binary(nil)
	if err == nil {
		b, _ = d.builds.of(ctx, binary) // when it cannot be asked, there is no default
	}
	want.fallback = binary
	prefix := firstOf(d.cfg.Prefix, b.prefix)
	conf := absolute(firstOf(d.cfg.Conf, b.conf), prefix)
	if d.cfg.Conf != "" || d.cfg.PidFile == "" {
		want.conf = conf
	}
	pidFile := d.cfg.PidFile
	s := settingsOf(conf, "", prefix)
	if pidFile = firstOf(pidFile, s.pidFile, b.pidFile); pidFile == "" {
		return nil, fmt.Errorf("nginx %w: there is neither a binary nor a pid_file to find it by", rollout.ErrNotRunning)
	}
	m, why := d.named(ctx, pidFile, want, s)
	if m != nil {
		return m, nil
	}
	want.conf = conf // in place of the pid file
	found := d.masters(ctx, want)
	if len(found) == 0 && d.cfg.Conf == "" && d.cfg.PidFile == "" { // one that was started with -c
		want.conf = ""
		found = d.masters(ctx, want)
	}
	switch len(found) {
	case 0:
		return nil, why
	case 1:
		return found[0], nil
	}
	return nil, fmt.Errorf("%w; and %d other master processes could be meant (set pid_file)", why, len(found))
}

// named gives the master that a pid file names.
func (d *Driver) named(ctx context.Context, pidFile string, want identity, s settings) (*master, error) {
	text, err := os.ReadFile(pidFile)
	if err != nil {
		return nil, fmt.Errorf("nginx %w: its pid file cannot be read: %w", rollout.ErrNotRunning, err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 0 {
		return nil, fmt.Errorf("nginx %w: its pid file %s holds no process number but %.20q", rollout.ErrNotRunning, pidFile, text)
	}
	m, err := d.verify(ctx, pid, want)
	if err == nil {
		return m, nil
	}
	if s.single && isNginx(program(pid), want) {
		return nil, fmt.Errorf("nginx (process %d) has no master process, so it cannot be reloaded: remove \"master_process off\" and restart it", pid)
	}
	return nil, fmt.Errorf("nginx %w: the pid file %s names %w; it was not signalled", rollout.ErrNotRunning, pidFile, err)
}
