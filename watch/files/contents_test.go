package files_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ctmpl/ctmpl/watch"
	"github.com/ctmpl/ctmpl/watch/files"
)

// contents is a Contents on the rig's watcher.
type contents struct {
	*rig
	store *watch.Store
	c     *files.Contents
	log   *lines
}

func newContents(t *testing.T) *contents {
	c := &contents{rig: newRig(t), store: watch.NewStore(), log: &lines{}}
	c.w = files.New(slog.New(c.log))
	c.w.SetSettle(5 * time.Millisecond)
	c.c = files.NewContents(c.w, c.store)
	c.watch()
	return c
}

// file is the query for a path below the directory, with or without a sandbox.
func (c *contents) file(name, sandbox string) watch.Query {
	q := watch.Query{Kind: watch.KindFile, Name: filepath.Join(c.dir, name)}
	if sandbox != "" {
		q.Params = url.Values{"sandbox": {c.path(sandbox)}}.Encode()
	}
	return q
}

func (c *contents) want(queries ...watch.Query) {
	set := watch.Set{}
	for _, q := range queries {
		set.Add(q)
	}
	c.c.Want(set)
}

// holds checks what the store has after all events up to now; "" stands for nothing.
func (c *contents) holds(q watch.Query, want string) {
	c.t.Helper()
	c.nothing()
	got, _, ok := c.store.Get(q)
	if ok != (want != "") || ok && got != want {
		c.t.Errorf("%s: the store has %v, %v; want %q", q, got, ok, want)
	}
}

func TestContents(t *testing.T) {
	c := newContents(t)
	c.write("f", "1")
	f, g := c.file("f", ""), c.file("a/g", "")
	c.want(f, g)
	if v, _, _ := c.store.Get(f); v != "1" {
		t.Errorf("the store has %v right after Want", v)
	}
	c.run()
	c.holds(g, "")
	c.replace("f", "2")
	c.holds(f, "2")
	c.mkdir("a")
	c.write("a/g", "1")
	c.holds(g, "1")
	c.remove("a")
	c.holds(g, "1") // the last good one
	c.mkdir("a")
	c.write("a/g", "2")
	c.holds(g, "2")
	c.want(g)
	c.holds(f, "")
	c.replace("f", "3")
	c.holds(f, "")
	c.want(f, g)
	c.holds(f, "3")
	if lines := c.log.take(); len(lines) > 0 {
		t.Errorf("logged %q", lines)
	}
}

// A file that there need not be is answered in any case, and followed all the same.
func TestFileIfAny(t *testing.T) {
	c := newContents(t)
	f := watch.FileIfAny(c.file("f", ""))
	answered := func(want string) {
		t.Helper()
		if got, _, ok := c.store.Get(f); !ok || got != want {
			t.Errorf("the store has %q, %v, want %q", got, ok, want)
		}
	}
	c.want(f)
	answered("") // at once
	c.run()
	c.replace("f", "1")
	c.nothing()
	answered("1")
	c.remove("f")
	c.nothing()
	answered("")
}

func TestContentsSetIsCopied(t *testing.T) {
	c := newContents(t)
	c.write("f", "1")
	set := watch.Set{c.file("f", ""): {}}
	c.c.Want(set)
	clear(set)
	c.run()
	c.replace("f", "2")
	c.holds(c.file("f", ""), "2")
	c.want()
	c.holds(c.file("f", ""), "")
}

// The sandbox of each query counts, also when several ask for one path.
func TestSandbox(t *testing.T) {
	c := newContents(t)
	c.mkdir("box/sub")
	c.mkdir("out")
	c.write("box/in", "inside")
	c.write("box/sub/in", "inside too")
	c.write("out/secret", "secret")
	c.write("secret", "secret")
	c.link("../out/secret", "box/relative")
	c.link(c.path("out/secret"), "box/absolute")
	c.link("../out", "box/dir")
	c.link(c.path("out"), "box/absdir")
	c.link("relative", "box/twice")
	c.link("sub/../../secret", "box/winding")
	c.link("sub/in", "box/good")
	c.link(c.path("box/in"), "box/goodabsolute")
	c.link("../box/in", "box/goodwinding")
	c.link("box", "boxlink")

	want := map[watch.Query]string{}
	for name, content := range map[string]string{
		"box/in": "inside", "box/sub/in": "inside too", "box/sub/../in": "inside", "box/good": "inside too", "box/goodabsolute": "inside", "box/goodwinding": "inside",
		"box/relative": "", "box/absolute": "", "box/dir/secret": "", "box/absdir/secret": "", "box/twice": "", "box/winding": "", "secret": "", "out/secret": "",
	} {
		want[c.file(name, "box")] = content
	}
	// Not what ParseFile lets through, but the last line of defence.
	want[watch.Query{Kind: watch.KindFile, Name: c.path("box") + "/../secret", Params: c.file("x", "box").Params}] = ""
	want[watch.Query{Kind: watch.KindFile, Name: c.path("box") + "/dir/../secret", Params: c.file("x", "box").Params}] = ""
	want[c.file("secret", "")] = "secret"
	want[c.file("boxlink/in", "boxlink")] = "inside"
	want[c.file("boxlink/in", "box")] = "inside"
	want[c.file("box/in", "boxlink")] = "inside"
	want[c.file("boxlink/relative", "boxlink")] = ""

	var all []watch.Query
	for q := range want {
		all = append(all, q)
	}
	c.want(all...)
	c.run()
	for q, content := range want {
		c.holds(q, content)
	}
	refused := c.log.take()
	for _, line := range refused {
		if !strings.Contains(line, "outside of sandbox_path") {
			t.Errorf("logged %s", line)
		}
	}
	if len(refused) < 10 {
		t.Errorf("%d lines in the log, want one for each file outside", len(refused))
	}

	c.replace("secret", "secret 2") // a change changes nothing about that
	c.replace("out/secret", "secret 2")
	c.replace("box/in", "inside 2")
	for q, content := range want {
		if content == "secret" || content == "inside" {
			content += " 2"
		}
		c.holds(q, content)
	}
	if lines := c.log.take(); len(lines) > 0 {
		t.Errorf("logged again: %q", lines)
	}
}

// A file that was inside and is switched to one outside keeps what it had.
func TestSandboxIsLeftLater(t *testing.T) {
	c := newContents(t)
	c.mkdir("box")
	c.write("box/1", "1")
	c.write("2", "2")
	c.link("1", "box/f")
	q := c.file("box/f", "box")
	c.want(q)
	c.run()
	c.holds(q, "1")
	c.link("../2", "box/f")
	c.holds(q, "1")
	c.replace("2", "3")
	c.holds(q, "1")
	c.remove("box/f")
	c.write("box/f", "4")
	c.holds(q, "4")
	if lines := c.log.take(); len(lines) != 1 {
		t.Errorf("logged %q, want one line", lines)
	}
}

func TestWhatIsNoFile(t *testing.T) {
	c := newContents(t)
	c.check(syscall.Mkfifo(c.path("pipe"), 0o600))
	c.mkdir("dir")
	pipe, dir := c.file("pipe", ""), c.file("dir", "")
	c.want(pipe, dir)
	c.run()
	c.holds(pipe, "")
	c.holds(dir, "")
	if lines := c.log.take(); len(lines) != 2 {
		t.Errorf("logged %q, want a line each", lines)
	}
	c.replace("pipe", "a file now")
	c.holds(pipe, "a file now")
}

// TestWhateverHappens changes files and directories at random, while the watcher is
// looking. In the end it has to know what is there.
func TestWhateverHappens(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			c := newContents(t)
			queries := []watch.Query{c.file("a/f", ""), c.file("a/b/f", ""), c.file("l/f", ""), c.file("a/l", ""), c.file("l/b/../f", "")}
			c.want(queries...)
			c.run()
			random := rand.New(rand.NewPCG(seed, 3))
			for i := range 1500 {
				c.anything(random, i)
				if random.IntN(100) == 0 {
					c.w.Watch("other", nil, nil) // has it look now
				}
			}
			c.check(os.WriteFile(c.path("end"), nil, 0o600))
			for _, q := range queries {
				c.nothing()
				data, err := os.ReadFile(q.Name)
				if got, _, _ := c.store.Get(q); err == nil && got != string(data) {
					t.Errorf("%s holds %q, the store has %v", q, data, got)
				}
			}
			if lines := c.log.take(); strings.Contains(strings.Join(lines, "\n"), "looking every") {
				t.Errorf("it has gone over to polling: %q", lines)
			}
		})
	}
}

// anything does one random thing to the files; some of them fail.
func (c *contents) anything(random *rand.Rand, i int) {
	dirs := []string{"a", "a/b", "c", "c/b", "l"}
	files := []string{"a/f", "a/b/f", "c/f", "c/b/f", "g"}
	dir, other := c.path(dirs[random.IntN(len(dirs))]), c.path(dirs[random.IntN(len(dirs))])
	file := c.path(files[random.IntN(len(files))])
	switch random.IntN(9) {
	case 0, 1:
		_ = os.MkdirAll(dir, 0o755)
	case 2:
		_ = os.RemoveAll(dir)
	case 3:
		_ = os.Rename(dir, other)
	case 4:
		_ = os.Remove(c.path("l"))
		_ = os.Symlink([]string{"a", "c", c.path("a/b"), "nowhere", "l"}[random.IntN(5)], c.path("l"))
	case 5:
		_ = os.Remove(c.path("a/l"))
		_ = os.Symlink([]string{"../g", "f", "../l/f", c.path("c/f")}[random.IntN(4)], c.path("a/l"))
	case 6:
		_ = os.Remove(file)
	default:
		temp := c.path("temp")
		_ = os.WriteFile(temp, fmt.Append(nil, i), 0o644)
		_ = os.Rename(temp, file)
	}
}
