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
	var result error
	onOwnThread(func() {
		if result = mountAll(staged); result == nil {
			result = d.test(ctx, in, in.conf, nil)
		}
	})
	return result
}

// onOwnThread runs f on a thread that ends with it. That cannot be the main thread:
// the runtime would park it for good, and /proc/PID is what it shows. A child that has
// asked for a signal at the death of its parent (PR_SET_PDEATHSIG) gets it when the
// thread that forked it ends, so children of long life should not be forked from just
// any thread.
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
func mountAll(staged []rollout.Staged) error {
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return &impossibleError{fmt.Errorf("unshare: %w", err)}
	}
	if err := mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	missing := missingFiles(staged)
	for _, dir := range outermost(missing) {
		if err := addNames(dir, missing[dir]); err != nil {
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
// nginx -t writes there goes to the upper layer, and is gone with it. That layer is
// mounted on the directory itself, below the overlay, so that no other place is needed.
func addNames(dir string, files []string) error {
	lower, shut, err := hold(dir)
	if err != nil {
		return err
	}
	defer shut()
	if err := mount("tmpfs", dir, "tmpfs", 0, "mode=0700"); err != nil {
		return err
	}
	layers, shutLayers, err := hold(dir)
	if err != nil {
		return err
	}
	defer shutLayers()
	upper, work := layers+"/upper", layers+"/work"
	if err := errors.Join(os.Mkdir(upper, 0o755), os.Mkdir(work, 0o755), copyAttributes(upper, lower)); err != nil {
		return err
	}
	for _, file := range files {
		name, err := filepath.Rel(dir, file)
		if err == nil {
			err = placeholder(upper + "/" + name)
		}
		if err != nil {
			return err
		}
	}
	if err := mount("overlay", dir, "overlay", 0, fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", lower, upper, work)); err != nil {
		return err
	}
	return mountBack(lower, dir)
}

// hold gives a path that leads to what a directory is now, whatever is mounted on it
// later. It holds nothing that separates the options of a mount.
func hold(dir string) (path string, shut func(), err error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", nil, fmt.Errorf("open %s: %w", dir, err)
	}
	return fmt.Sprintf("/proc/thread-self/fd/%d", fd), func() { _ = unix.Close(fd) }, nil
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
