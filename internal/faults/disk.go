package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// mount runs mount or umount.
func mount(args ...string) error {
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// small puts a small file system in place of a directory.
func small(dir string, kilobytes int) func(*world) error {
	return func(w *world) error {
		path := w.path(dir)
		w.later(func() error { return mount("umount", "-R", path) })
		return mount("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dk,mode=755", kilobytes), "ctmpl-faults", path)
	}
}

// page is what a file of a tmpfs takes at least.
const page = 4096

// fill fills the file system of a directory but for some pages.
func fill(dir string, pages int) func(*world) error {
	return func(w *world) error {
		file, err := os.Create(w.path(filepath.Join(dir, "ballast")))
		if err != nil {
			return err
		}
		defer file.Close()
		size, block := int64(0), make([]byte, page)
		for {
			n, err := file.Write(block)
			size += int64(n)
			if errors.Is(err, syscall.ENOSPC) {
				return file.Truncate(max(0, size-int64(pages)*page))
			}
			if err != nil {
				return err
			}
		}
	}
}

// clear makes room again.
func clear(dir string) func(*world) error {
	return func(w *world) error { return os.Remove(w.path(filepath.Join(dir, "ballast"))) }
}

// full is a file system that is full.
func full(dir string) interruption {
	return interruption{begin: fill(dir, 0), end: clear(dir)}
}

// readOnly is a directory that cannot be written to: it is mounted on itself so, which
// files that are open do not prevent.
func readOnly(dir string) interruption {
	return interruption{
		begin: func(w *world) error {
			path := w.path(dir)
			return errors.Join(mount("mount", "--bind", path, path), mount("mount", "-o", "remount,bind,ro", path))
		},
		end: func(w *world) error { return mount("umount", w.path(dir)) },
	}
}

// poisoned has what is rolled out meanwhile refused by its verification.
func (i interruption) poisoned() interruption {
	i.extra, i.refused = poison, true
	return i
}

// cleared has what cannot be removed meanwhile go with the next start.
func (i interruption) cleared() interruption {
	i.again = true
	return i
}

// fillUp has ever fewer pages left when a rollout begins, so that each write finds
// the disk full once.
func fillUp(dir string, kilobytes int) func(*trial) error {
	return func(t *trial) error {
		w, err := t.follow(options{before: small(dir, kilobytes)})
		if err != nil {
			return err
		}
		var took times
		most, refused := 7, 0
		if !t.full {
			most = 4
		}
		for pages := range most + 1 {
			d, bad, err := w.withPages(dir, pages)
			if err != nil {
				return fmt.Errorf("with %d pages: %w", pages, err)
			}
			refused += btoi(bad)
			took = append(took, d)
		}
		t.note("0 to %d pages left: rollouts put off %d times", most, refused)
		t.note("room to all well %s", took)
		return nil
	}
}

// withPages changes the catalog while there is little room, and makes room then.
func (w *world) withPages(dir string, pages int) (took time.Duration, refused bool, err error) {
	before, mark := w.now, w.daemon.log.mark()
	if err := fill(dir, pages)(w); err != nil {
		return 0, false, err
	}
	if err := w.inject(strings.Repeat("# to take some space\n", 4*page/21)); err != nil {
		return 0, false, err
	}
	err = w.wait(func() error {
		if refused = strings.Contains(w.daemon.log.since(mark), "rollout failed"); refused {
			return nil
		}
		return w.shows(w.now)
	})
	if err == nil && refused {
		err = errors.Join(w.shows(before), w.valid())
	}
	if err != nil {
		return 0, refused, err
	}
	if err := clear(dir)(w); err != nil {
		return 0, refused, err
	}
	took, err = w.settled()
	return took, refused, err
}
