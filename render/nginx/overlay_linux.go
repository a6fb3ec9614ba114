package nginx

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/ctmpl/ctmpl/render/rollout"
)

// overlay checks in a mount namespace in which the staged files are mounted over the
// live ones. It belongs to one thread, and ends with it.
func (d *Driver) overlay(ctx context.Context, in instance, staged []rollout.Staged) error {
	scratch, err := os.MkdirTemp("", "ctmpl-nginx-") // nothing but a place to mount on
	if err != nil {
		return err
	}
	defer os.Remove(scratch)
	var result error
	onOwnThread(func() {
		if err := mountAll(scratch, staged); err != nil {
			result = err
			return
		}
		result = d.test(ctx, in, in.conf, nil)
	})
	return result
}

// onOwnThread runs f on a thread that ends with it. That cannot be the main thread:
// the runtime would park it for good, and /proc/PID is what it shows.
func onOwnThread(f func()) {
	done := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			onOwnThread(f) // on another one, since this one is taken
			runtime.UnlockOSThread()
			close(done)
			return
		}
		defer close(done)
		f()
	}()
	<-done
}

// mountAll gives this thread a mount namespace of its own and mounts the staged files
// where they are to live. Nothing of that is seen outside.
func mountAll(scratch string, staged []rollout.Staged) error {
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return &impossibleError{fmt.Errorf("unshare: %w", err)}
	}
	if err := mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	missing := missingFiles(staged)
	if len(missing) > 0 {
		if err := mount("tmpfs", scratch, "tmpfs", 0, "mode=0700"); err != nil {
			return err
		}
	}
	for i, dir := range outermost(missing) {
		if err := addNames(filepath.Join(scratch, fmt.Sprint(i)), dir, missing[dir]); err != nil {
			return err
		}
	}
	for _, s := range staged {
		if err := mount(s.Staged, s.Path, "", unix.MS_BIND, ""); err != nil {
			return err
		}
	}
	return nil
}

func mount(source, target, kind string, flags uintptr, data string) error {
	err := unix.Mount(source, target, kind, flags, data)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENOENT): // a file was removed meanwhile
		return fmt.Errorf("mount %s on %s: %w", source, target, err)
	case kind == "":
		kind = "bind"
	}
	return &impossibleError{fmt.Errorf("mount %s on %s: %w", kind, target, err)}
}

// missingFiles are the staged files of which nothing is there yet, below the nearest
// directories that are.
func missingFiles(staged []rollout.Staged) map[string][]string {
	missing := make(map[string][]string)
	for _, s := range staged {
		if _, err := os.Stat(s.Path); err == nil {
			continue
		}
		dir := filepath.Dir(s.Path)
		for dir != "/" {
			if _, err := os.Stat(dir); err == nil {
				break
			}
			dir = filepath.Dir(dir)
		}
		missing[dir] = append(missing[dir], s.Path)
	}
	return missing
}

// outermost are the directories in an order in which none is mounted over before one
// that holds it.
func outermost(missing map[string][]string) []string {
	var dirs []string
	for dir := range missing {
		dirs = append(dirs, dir)
	}
	slices.Sort(dirs)
	return dirs
}

// addNames mounts an overlay on a directory in which new files can be mounted on, too. What
// nginx -t writes there goes to the upper layer, and is gone with it.
func addNames(layers, dir string, files []string) error {
	upper, work := filepath.Join(layers, "upper"), filepath.Join(layers, "work")
	if err := errors.Join(os.MkdirAll(upper, 0o755), os.Mkdir(work, 0o755)); err != nil {
		return err
	}
	for _, file := range files {
		name, err := filepath.Rel(dir, file)
		if err == nil {
			err = placeholder(filepath.Join(upper, name))
		}
		if err != nil {
			return err
		}
	}
	if err := copyAttributes(upper, dir); err != nil {
		return err
	}
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	// The number stands for the directory, whose name may hold what separates options.
	lower := fmt.Sprintf("/proc/thread-self/fd/%d", fd)
	if err := mount("overlay", dir, "overlay", 0, fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", lower, upper, work)); err != nil {
		return err
	}
	return mountBack(lower, dir)
}

func placeholder(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, nil, 0o644)
}

// copyAttributes gives the upper directory, which is what is seen, owner and mode of
// the lower one.
func copyAttributes(upper, dir string) error {
	var info unix.Stat_t
	if err := unix.Stat(dir, &info); err != nil {
		return err
	}
	return errors.Join(unix.Chown(upper, int(info.Uid), int(info.Gid)), unix.Chmod(upper, info.Mode&0o7777))
}
