package rollout

import (
	"bytes"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

var quiet = slog.New(slog.DiscardHandler)

func put(t *testing.T, f File) bool {
	t.Helper()
	if f.UID == 0 && f.GID == 0 {
		f.UID, f.GID = -1, -1
	}
	changed, err := f.Put(quiet)
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

func content(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func mode(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

// alone checks that nothing but the named files is left in a directory.
func alone(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, e := range entries {
		have = append(have, e.Name())
	}
	if got, want := strings.Join(have, " "), strings.Join(names, " "); got != want {
		t.Errorf("in the directory: %s, want %s", got, want)
	}
}

func TestPutWritesWhatDiffersAndNothingElse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := File{Path: filepath.Join(dir, "a", "b", "out"), Content: []byte("one")}
	if !put(t, f) {
		t.Error("a new file is no change")
	}
	if mode(t, f.Path) != 0o644 || mode(t, filepath.Dir(f.Path)) != 0o755 {
		t.Errorf("modes %o and %o", mode(t, f.Path), mode(t, filepath.Dir(f.Path)))
	}
	before, _ := os.Stat(f.Path)
	if put(t, f) {
		t.Error("an equal file is a change")
	}
	if after, _ := os.Stat(f.Path); !os.SameFile(before, after) {
		t.Error("an equal file was written")
	}
	f.Content = []byte("two") // of the same length
	if !put(t, f) || content(t, f.Path) != "two" {
		t.Errorf("got %q", content(t, f.Path))
	}
	f.Content = nil
	if !put(t, f) || content(t, f.Path) != "" {
		t.Errorf("got %q", content(t, f.Path))
	}
	alone(t, filepath.Dir(f.Path), "out")
}

func TestPutKeepsOrSetsTheMode(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "out")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	put(t, File{Path: path, Content: []byte("y")})
	if mode(t, path) != 0o600 {
		t.Errorf("not kept: %o", mode(t, path))
	}
	if !put(t, File{Path: path, Content: []byte("y"), Mode: 0o640}) || mode(t, path) != 0o640 {
		t.Errorf("not enforced on equal content: %o", mode(t, path))
	}
	for _, mode := range []fs.FileMode{0o640, fs.ModeSetuid | 0o755} {
		put(t, File{Path: path, Content: []byte("y"), Mode: mode})
		if put(t, File{Path: path, Content: []byte("y"), Mode: mode}) {
			t.Errorf("an equal mode is a change: %v", mode)
		}
	}
}

func TestPutKeepsOrSetsTheOwner(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Log("only root can give files away: checking that the own ID is no change")
		path := filepath.Join(t.TempDir(), "out")
		put(t, File{Path: path, Content: []byte("x")})
		if put(t, File{Path: path, Content: []byte("x"), UID: os.Getuid(), GID: os.Getgid()}) {
			t.Error("the owner it has is a change")
		}
		return
	}
	owner := func(path string) [2]uint32 {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		s := info.Sys().(*syscall.Stat_t)
		return [2]uint32{s.Uid, s.Gid}
	}
	path := filepath.Join(t.TempDir(), "out")
	if !put(t, File{Path: path, Content: []byte("x"), UID: 1234, GID: 2345}) || owner(path) != [2]uint32{1234, 2345} {
		t.Errorf("not set: %v", owner(path))
	}
	put(t, File{Path: path, Content: []byte("y")})
	if owner(path) != [2]uint32{1234, 2345} {
		t.Errorf("not kept: %v", owner(path))
	}
	if !put(t, File{Path: path, Content: []byte("y"), UID: 7, GID: -1}) || owner(path) != [2]uint32{7, 2345} {
		t.Errorf("not enforced on equal content: %v", owner(path))
	}
}

func TestPutFollowsSymbolicLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, d := range []string{"live", "real"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	link, second := filepath.Join(dir, "live", "out"), filepath.Join(dir, "live", "second")
	for from, to := range map[string]string{link: "second", second: "../real/out"} {
		if err := os.Symlink(to, from); err != nil {
			t.Fatal(err)
		}
	}
	for _, text := range []string{"into a link to nothing", "over what is there"} {
		put(t, File{Path: link, Content: []byte(text)})
		if got := content(t, filepath.Join(dir, "real", "out")); got != text {
			t.Errorf("got %q", got)
		}
	}
	if target, err := os.Readlink(link); err != nil || target != "second" {
		t.Errorf("the link is gone: %q, %v", target, err)
	}
	alone(t, filepath.Join(dir, "live"), "out", "second")
	alone(t, filepath.Join(dir, "real"), "out")

	loop := filepath.Join(dir, "loop")
	if err := os.Symlink("loop", loop); err != nil {
		t.Fatal(err)
	}
	if _, err := (File{Path: loop}).Put(quiet); err == nil {
		t.Error("no error for a loop of links")
	}
}

// A relative link is relative to where it is, whatever links lead there.
func TestPutFollowsALinkInALinkedDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, d := range []string{"etc", "data/conf", "data/real"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	mustSymlink(t, "../data/conf", filepath.Join(dir, "etc/conf.d"))
	mustSymlink(t, "../real/out", filepath.Join(dir, "data/conf/out"))
	for _, within := range []string{"", dir} {
		put(t, File{Path: filepath.Join(dir, "etc/conf.d/out"), Content: []byte("x" + within), Within: within})
		if got := content(t, filepath.Join(dir, "data/real/out")); got != "x"+within {
			t.Errorf("within %q: got %q", within, got)
		}
		alone(t, filepath.Join(dir, "etc"), "conf.d")
	}
}

func TestPutKeepsABackup(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	for _, text := range []string{"one", "two", "three"} {
		put(t, File{Path: path, Content: []byte(text), Backup: true})
	}
	if got := content(t, path+".bak"); got != "two" {
		t.Errorf("backup: got %q", got)
	}
	alone(t, dir, "out", "out.bak")
}

func TestPutErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]File{
		"a directory in its place":  {Path: dir},
		"a file as directory":       {Path: filepath.Join(file, "x")},
		"no directory, none wanted": {Path: filepath.Join(dir, "no", "x"), NeedDir: true},
		"no destination":            {},
		"a device":                  {Path: "/dev/null"},
	} {
		if _, err := f.Put(quiet); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	alone(t, dir, "file")
}

func TestABindMountIsWrittenInPlace(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Log("needs the right to mount: what cannot be renamed is checked as root only")
		return
	}
	dir := t.TempDir()
	path, source := filepath.Join(dir, "out"), filepath.Join(t.TempDir(), "source")
	for _, p := range []string{path, source} {
		if err := os.WriteFile(p, []byte("old content, which is longer"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mount(source, path, "", syscall.MS_BIND, ""); err != nil {
		t.Logf("no mounts here (%v): not checked", err)
		return
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(path, 0); err != nil {
			t.Error(err)
		}
	})
	var log bytes.Buffer
	f := File{Path: path, Content: []byte("new"), UID: -1, GID: -1}
	if changed, err := f.Put(slog.New(slog.NewTextHandler(&log, nil))); err != nil || !changed {
		t.Fatalf("got %v, %v", changed, err)
	}
	if content(t, source) != "new" || mode(t, source) != 0o600 {
		t.Errorf("got %q, mode %o", content(t, source), mode(t, source))
	}
	if !strings.Contains(log.String(), "in place") {
		t.Errorf("not said: %s", &log)
	}
	alone(t, dir, "out")
}
