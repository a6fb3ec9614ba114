package child

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
)

const (
	deadline = 30 * time.Second // of what happens at once on an idle machine
	helperIs = "CHILD_TEST_HELPER"
)

// helpers are the programs, by name.
var helpers = map[string]func(){"program": program}

var quiet = slog.New(slog.DiscardHandler)

// TestMain is also the programs that the tests start.
func TestMain(m *testing.M) {
	if helper := helpers[os.Getenv(helperIs)]; helper != nil {
		helper()
		return
	}
	code := m.Run()
	if left := goroutinesLeft(); code == 0 && left != "" {
		fmt.Println("goroutines are left:\n" + left)
		code = 1
	}
	os.Exit(code)
}

// goroutinesLeft are those that run code of this package, after all tests.
func goroutinesLeft() string {
	left := ""
	// One whose work is done may not have returned yet.
	for end := time.Now().Add(deadline); time.Now().Before(end); runtime.Gosched() {
		if left = goroutines(); left == "" {
			break
		}
	}
	return left
}

func goroutines() string {
	var all strings.Builder
	_ = pprof.Lookup("goroutine").WriteTo(&all, 2)
	var left []string
	for stack := range strings.SplitSeq(all.String(), "\n\n") {
		if strings.Contains(stack, "render/child.") && !strings.Contains(stack, "child.TestMain") {
			left = append(left, stack)
		}
	}
	return strings.Join(left, "\n\n")
}

// program writes what happens to it into the file LOG, a line each: "start", its
// process and its group, then the names of signals. It ignores those of IGNORE, and
// ends with CODE at those of END.
func program() {
	log, err := os.OpenFile(os.Getenv("LOG"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	all := make(chan os.Signal, 64)
	signal.Notify(all, Signals()...)
	for _, s := range Signals() {
		if slices.Contains(strings.Fields(os.Getenv("IGNORE")), signalName(s.(syscall.Signal))) {
			signal.Ignore(s)
		}
	}
	name := os.Getenv("NAME")
	fmt.Fprintf(log, "%sstart %d %d\n", name, os.Getpid(), syscall.Getpgrp())
	for s := range all {
		got := signalName(s.(syscall.Signal))
		fmt.Fprintf(log, "%s%s\n", name, got)
		if slices.Contains(strings.Fields(os.Getenv("END")), got) {
			code, _ := strconv.Atoi(os.Getenv("CODE"))
			time.Sleep(envDuration("LAST"))
			fmt.Fprintf(log, "%send\n", name)
			os.Exit(code)
		}
	}
}

func envDuration(name string) time.Duration {
	d, _ := time.ParseDuration(os.Getenv(name))
	return d
}

// journal is what programs have written into their LOG.
type journal struct {
	t    testing.TB
	path string
}

func newJournal(t testing.TB) *journal {
	return &journal{t: t, path: filepath.Join(t.TempDir(), "log")}
}

// program is a Spec for the program above, which ends with 3 at SIGINT and SIGTERM.
func (j *journal) program(env ...string) Spec {
	base := append(os.Environ(), helperIs+"=program", "LOG="+j.path, "END=SIGINT SIGTERM", "CODE=3")
	return Spec{Args: []string{self(j.t)}, Env: append(base, env...), KillTimeout: deadline}
}

// shell is a Spec for a shell that runs a script, in which $P is the program.
func (j *journal) shell(script string, env ...string) Spec {
	spec := j.program(env...)
	spec.Env = append(spec.Env, "P="+self(j.t))
	spec.Args = []string{script}
	return spec
}

func self(t testing.TB) string {
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func (j *journal) lines() []string {
	text, err := os.ReadFile(j.path)
	if err != nil && !os.IsNotExist(err) {
		j.t.Fatal(err)
	}
	return strings.FieldsFunc(string(text), func(r rune) bool { return r == '\n' })
}

// words are the first words of the lines.
func (j *journal) words() []string {
	var out []string
	for _, line := range j.lines() {
		out = append(out, strings.Fields(line)[0])
	}
	return out
}

// await waits until exactly these words have been written.
func (j *journal) await(words ...string) {
	j.t.Helper()
	servers.Eventually(j.t, deadline, func() error {
		if got := j.words(); !slices.Equal(got, words) {
			return fmt.Errorf("got %v, want %v", got, words)
		}
		return nil
	})
}

// started gives the process and the group of the nth line, which says that a program has
// started.
func (j *journal) started(n int) (pid, group int) {
	j.t.Helper()
	var word string
	if _, err := fmt.Sscan(j.lines()[n], &word, &pid, &group); err != nil {
		j.t.Fatal(err)
	}
	return pid, group
}

func run(t testing.TB, spec Spec) *Child {
	t.Helper()
	c, err := Start(t.Context(), spec, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	return c
}

// exit waits for the end of a child.
func exit(t testing.TB, c *Child) int {
	t.Helper()
	select {
	case code := <-c.Exited():
		return code
	case <-time.After(deadline):
		t.Fatal("the child does not end")
		return 0
	}
}

// stop stops a child that must not have ended by itself.
func stop(t testing.TB, c *Child) {
	t.Helper()
	c.Stop()
	select {
	case code := <-c.Exited():
		t.Errorf("a stopped child was taken for one that ended, with code %d", code)
	default:
	}
}

// alive tells whether a process exists that is not a zombie.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ") && syscall.Kill(pid, 0) == nil
}

func gone(t testing.TB, pid int) {
	t.Helper()
	if alive(pid) {
		t.Errorf("the process %d is left", pid)
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// file is a file with a content, opened for reading and writing.
func file(t testing.TB, content string) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err == nil {
		_, err = f.WriteString(content)
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}
