package nginx

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/ctmpl/ctmpl/render/rollout"
)

// failedError is what nginx -t found wrong.
type failedError struct{ text string }

func (e *failedError) Error() string { return e.text }

// impossibleError says that a method to check with cannot be used here.
type impossibleError struct{ err error }

func (e *impossibleError) Error() string { return e.err.Error() }
func (e *impossibleError) Unwrap() error { return e.err }

// method checks staged files in one way. Its error is a *failedError, an
// *impossibleError, or of something that stands in the way for now.
type method struct {
	name string
	run  func(ctx context.Context, in instance, staged []rollout.Staged) error
}

func (d *Driver) methods() ([]method, error) {
	all := []method{{MethodOverlay, d.overlay}, {MethodTree, d.tree}, {MethodLive, nil}}
	if d.cfg.CheckMethod == "" {
		return all, nil
	}
	i := slices.IndexFunc(all, func(m method) bool { return m.name == d.cfg.CheckMethod })
	if i < 0 {
		return nil, fmt.Errorf("check_method %q is none of overlay, tree and live", d.cfg.CheckMethod)
	}
	return all[i : i+1], nil
}

// Check runs nginx -t on the files as they would be with the staged ones live.
func (d *Driver) Check(ctx context.Context, staged []rollout.Staged) error {
	methods, err := d.methods()
	if err != nil {
		return err
	}
	in, err := d.find(ctx)
	if err != nil {
		return err
	}
	d.warnOfUnlinked(in.conf, staged)
	var whys []string // the better ones are not possible
	for _, m := range methods {
		if m.run == nil {
			d.announce(m.name, whys)
			return rollout.ErrCheckLive
		}
		err := m.run(ctx, in, staged)
		var impossible *impossibleError
		if !errors.As(err, &impossible) {
			d.announce(m.name, whys)
			return d.blame(ctx, in, err)
		}
		whys = append(whys, m.name+": "+impossible.Error())
	}
	return fmt.Errorf("the files cannot be checked by check_method %s", strings.Join(whys, "; "))
}

// announce logs the method whenever it changes.
func (d *Driver) announce(name string, whys []string) {
	why := strings.Join(whys, "; ")
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.method == name+why {
		return
	}
	d.method = name + why
	args := []any{"method", name}
	if why != "" {
		args = append(args, "not_possible", why)
	}
	if name == MethodLive {
		d.log.Info("nginx files are checked in place only, and taken back when they are bad", args...)
		return
	}
	d.log.Info("nginx files are checked before they are live", args...)
}

// blame decides whether the staged files are to blame for a failed check: not when it
// fails without them just as well.
func (d *Driver) blame(ctx context.Context, in instance, err error) error {
	var failed *failedError
	if !errors.As(err, &failed) {
		return err
	}
	live := d.test(ctx, in, in.conf, nil)
	switch {
	case live == nil:
		return &rollout.BadError{Err: failed}
	case !errors.As(live, new(*failedError)):
		return live
	case live.Error() == failed.Error():
		return fmt.Errorf("the live configuration fails its check, too: %w", live)
	}
	return fmt.Errorf("the live configuration fails its check, too: %w; with the new files: %w", live, failed)
}

// CheckLive runs nginx -t on what is live.
func (d *Driver) CheckLive(ctx context.Context) error {
	in, err := d.find(ctx)
	if err != nil {
		return err
	}
	err = d.test(ctx, in, in.conf, nil)
	if failed := (*failedError)(nil); errors.As(err, &failed) {
		return &rollout.BadError{Err: failed}
	}
	return err
}

// test runs nginx -t as the master would read the main file conf. rename, if any, puts
// names in messages right. The error is a *failedError when nginx has found one.
func (d *Driver) test(ctx context.Context, in instance, conf string, rename *strings.Replacer) error {
	defer d.sparePidFile(ctx, in)()
	args := append([]string{in.binary, "-t", "-c", conf}, in.args...)
	command := rollout.Command{Args: args, Timeout: d.cfg.CheckTimeout, Quiet: true}
	start := time.Now()
	err := command.Run(ctx)
	var ran *rollout.CommandError
	var exited *exec.ExitError
	if errors.As(err, &ran) && ran.Output == "" && errors.As(err, &exited) {
		err = command.Run(ctx) // on a busy machine its output may come too late to be kept
	}
	if err == nil {
		return nil
	}
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("check by nginx -t: %w", context.Cause(ctx))
	case !errors.As(err, &ran):
		return err
	case errors.As(err, &exited) && exited.Exited():
		output := ran.Output
		if rename != nil {
			output = rename.Replace(output)
		}
		return &failedError{firstOf(essence(output), fmt.Sprintf("nginx -t fails (%s) and does not say why", exited))}
	case exited == nil && time.Since(start) >= d.cfg.CheckTimeout:
		return fmt.Errorf("nginx -t -c %s was ended after %s (check_timeout): does it look up host names, or wait for a file?", conf, d.cfg.CheckTimeout)
	}
	return fmt.Errorf("run %s -t: %w%s", in.binary, ran.Err, optional(": ", ran.Output))
}

// sparePidFile has the pid file removed afterwards that nginx -t makes where there is none:
// it would be empty, and seem to be that of an nginx that is gone.
func (d *Driver) sparePidFile(ctx context.Context, in instance) (remove func()) {
	b, _ := d.builds.of(ctx, in.binary)
	path := firstOf(settingsOf(in.conf, in.globals, in.prefix).pidFile, b.pidFile)
	if _, err := os.Lstat(path); path == "" || !errors.Is(err, fs.ErrNotExist) {
		return func() {}
	}
	return func() {
		if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() && info.Size() == 0 {
			_ = os.Remove(path)
		}
	}
}

// optional gives a text behind a separator, and nothing when it is empty.
func optional(separator, text string) string {
	if text == "" {
		return ""
	}
	return separator + bounded(text)
}

// warnOfUnlinked says, once for each file, that a check proves nothing since none of
// the staged files is included from the main file.
func (d *Driver) warnOfUnlinked(conf string, staged []rollout.Staged) {
	v := viewOf(staged)
	linked := len(staged) == 0
	v.walk(conf, func(s *source) bool {
		_, linked = v[s.real]
		return !linked
	})
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range staged {
		if linked {
			delete(d.unlinked, s.Path)
		} else if !d.unlinked[s.Path] {
			d.unlinked[s.Path] = true
			d.log.Warn("nginx does not include this file, so its check proves nothing", "file", s.Path, "main", conf)
		}
	}
}
