package rollout

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestFilesStayWithin(t *testing.T) {
	t.Parallel()
	box, outside := t.TempDir(), t.TempDir()
	mustSymlink(t, outside, filepath.Join(box, "absolute"))
	mustSymlink(t, "../"+filepath.Base(outside), filepath.Join(box, "relative"))
	mustSymlink(t, filepath.Join(outside, "f"), filepath.Join(box, "file"))
	mustSymlink(t, "/proc/self/root"+outside, filepath.Join(box, "proc"))
	mustSymlink(t, "sub/linked", filepath.Join(box, "link"))
	for path, ok := range map[string]bool{
		"f": true, "sub/dir/f": true, "sub/../g": true, "link": true,
		"../f": false, "absolute/f": false, "relative/f": false, "file": false, "proc/f": false, "sub/../../f": false,
	} {
		for _, appends := range []bool{false, true} {
			f := File{Path: box + "/" + path, Content: []byte("x"), Mode: 0o640, UID: -1, GID: -1, Within: box, Append: appends}
			changed, err := f.Put(slog.New(slog.DiscardHandler))
			if ok != (err == nil) || ok != changed {
				t.Errorf("%s, append %v: %v, %v", path, appends, changed, err)
			}
		}
		if !ok {
			continue
		}
		content, err := os.ReadFile(filepath.Join(box, path))
		if info, _ := os.Stat(filepath.Join(box, path)); err != nil || string(content) != "xx" || info.Mode().Perm() != 0o640 {
			t.Errorf("%s: %q, %v", path, content, err)
		}
	}
	if entries, _ := os.ReadDir(outside); len(entries) != 0 {
		t.Errorf("written outside: %v", entries)
	}
	if _, err := os.Readlink(filepath.Join(box, "link")); err != nil {
		t.Error("the link inside was replaced")
	}
}

// A directory that turns into a link to the outside at any moment leads nowhere.
func TestFilesStayWithinARace(t *testing.T) {
	t.Parallel()
	box, outside := t.TempDir(), t.TempDir()
	dir, spare, link := filepath.Join(box, "d"), filepath.Join(box, "spare"), filepath.Join(box, "link")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	mustSymlink(t, outside, link)
	stop := make(chan struct{})
	var swapping sync.WaitGroup
	swapping.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_ = os.Rename(dir, spare)
				_ = os.Rename(link, dir)
				_ = os.Rename(dir, link)
				_ = os.Rename(spare, dir)
			}
		}
	})
	for i := range 300 {
		f := File{Path: dir + "/f", Content: []byte(strings.Repeat("x", i)), UID: -1, GID: -1, Within: box, Append: i%2 == 0}
		_, _ = f.Put(slog.New(slog.DiscardHandler))
	}
	close(stop)
	swapping.Wait()
	if entries, _ := os.ReadDir(outside); len(entries) != 0 {
		t.Errorf("written outside: %v", entries)
	}
}

func TestAttributesWithin(t *testing.T) {
	t.Parallel()
	f := File{Path: filepath.Join(t.TempDir(), "f"), Content: []byte("x"), Mode: 0o600, UID: -1, GID: -1}
	f.Within = filepath.Dir(f.Path)
	for _, mode := range []os.FileMode{0o600, 0o644} {
		f.Mode = mode
		for _, want := range []bool{true, false} {
			if changed, err := f.Put(slog.New(slog.DiscardHandler)); changed != want || err != nil {
				t.Errorf("mode %o: changed %v, want %v, %v", mode, changed, want, err)
			}
		}
		if info, err := os.Stat(f.Path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("got %v, %v", info.Mode(), err)
		}
	}
}

func TestExactModeIsNone(t *testing.T) {
	t.Parallel()
	f := File{Path: filepath.Join(t.TempDir(), "f"), UID: -1, GID: -1, ExactMode: true}
	for _, want := range []bool{true, false} {
		if changed, err := f.Put(slog.New(slog.DiscardHandler)); changed != want || err != nil {
			t.Errorf("changed %v, want %v, %v", changed, want, err)
		}
	}
	if info, err := os.Stat(f.Path); err != nil || info.Mode().Perm() != 0 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
}

func TestAppend(t *testing.T) {
	t.Parallel()
	f := File{Path: filepath.Join(t.TempDir(), "f"), Content: []byte("x\n"), UID: -1, GID: -1, Append: true}
	for range 3 {
		if changed, err := f.Put(slog.New(slog.DiscardHandler)); !changed || err != nil {
			t.Errorf("changed %v, %v", changed, err)
		}
	}
	f.Content = nil
	if changed, err := f.Put(slog.New(slog.DiscardHandler)); changed || err != nil {
		t.Errorf("appending nothing: changed %v, %v", changed, err)
	}
	if content, err := os.ReadFile(f.Path); err != nil || string(content) != "x\nx\nx\n" {
		t.Errorf("got %q, %v", content, err)
	}
	f.Path, f.Content = filepath.Join(filepath.Dir(f.Path), "none", "f"), []byte("x")
	if _, err := f.Put(slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a missing directory was made")
	}
}

// What could not be done to its end leaves nothing behind, since it is tried again.
func TestAppendIsAllOrNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("x\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	p := plan{disk: everywhere{}, path: path, exists: true, mode: 0o644, uid: -1, gid: -1}
	failing := errors.New("no")
	for name, tc := range map[string]struct{ write, attributes error }{"write": {write: failing}, "attributes": {attributes: failing}} {
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		f := File{Content: []byte("more"), Append: true}
		if err := f.appendTo(&faulty{file, tc.write, tc.attributes}, p); !errors.Is(err, failing) {
			t.Errorf("%s: got %v", name, err)
		}
		if err := file.Close(); err != nil {
			t.Error(err)
		}
		if content, err := os.ReadFile(path); err != nil || string(content) != "x\n" {
			t.Errorf("%s: got %q, %v", name, content, err)
		}
	}
}

// faulty is a file whose methods fail.
type faulty struct {
	*os.File
	write, attributes error
}

func (f *faulty) Write(p []byte) (int, error) {
	if f.write != nil {
		p = p[:len(p)/2] // as on a full disk
	}
	n, err := f.File.Write(p)
	return n, errors.Join(err, f.write)
}

func (f *faulty) Chmod(mode os.FileMode) error {
	return errors.Join(f.File.Chmod(mode), f.attributes)
}

// The group is kept also where the owner cannot be: with another group than nginx's
// it could not read the file any more.
func TestTheGroupIsKeptWithoutTheOwner(t *testing.T) {
	t.Parallel()
	var file unowned
	if err := (plan{exists: true, uid: 1, gid: 2, mode: 0o640}).setAttributes(&file); err != nil || file.gid != 2 || file.mode != 0o640 {
		t.Errorf("got %+v, %v", file, err)
	}
	if err := (plan{exists: true, uid: 1, gid: 2, ownDiff: true}).setAttributes(&file); err == nil {
		t.Error("an owner that was asked for is not set, and that is no error")
	}
}

// unowned is a file that cannot be given away.
type unowned struct {
	gid  int
	mode os.FileMode
}

func (u *unowned) Chown(uid, gid int) error {
	if uid >= 0 {
		return os.ErrPermission
	}
	u.gid = gid
	return nil
}

func (u *unowned) Chmod(mode os.FileMode) error {
	u.mode = mode
	return nil
}

func mustSymlink(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}
