package child

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// two are the beginning of a script: two programs in its background.
const two = `NAME=one: $P & NAME=two: $P & `

// together waits until these words have been written, in any order.
func (j *journal) together(words ...string) {
	j.t.Helper()
	slices.Sort(words)
	servers.Eventually(j.t, deadline, func() error {
		got := j.words()
		slices.Sort(got)
		if !slices.Equal(got, words) {
			return fmt.Errorf("got %v, want %v", got, words)
		}
		return nil
	})
}

func TestSignalsGoToTheGroupOfAShell(t *testing.T) {
	t.Parallel()
	j := newJournal(t)
	c := run(t, j.shell(`trap '' USR1; `+two+`wait; exit 4`))
	j.together("one:start", "two:start")
	one, group := j.started(0)
	if group == one || group == syscall.Getpgrp() {
		t.Errorf("the process %d has the group %d, this one %d", one, group, syscall.Getpgrp())
	}
	c.Signal(syscall.SIGUSR1)
	j.together("one:start", "two:start", "one:SIGUSR1", "two:SIGUSR1")
	stop(t, c)
}

func TestSignalsGoToTheChildAloneWithoutAShell(t *testing.T) {
	t.Parallel()
	j := newJournal(t)
	spec := j.shell("")
	spec.Args = []string{"sh", "-c", two + `trap 'echo USR1 >> $LOG' USR1; echo ready >> $LOG; while :; do wait; done`}
	c := run(t, spec)
	j.together("one:start", "two:start", "ready")
	if _, group := j.started(slices.IndexFunc(j.lines(), func(l string) bool { return strings.HasPrefix(l, "one:start") })); group == syscall.Getpgrp() {
		t.Error("it is in the group of this process")
	}
	c.Signal(syscall.SIGUSR1)
	j.together("one:start", "two:start", "ready", "USR1")
	stop(t, c)
}

// TestWhatOutlivesTheChild has two programs left behind by a child that is stopped.
// They ignore SIGINT, as all do that a shell starts in the background.
func TestWhatOutlivesTheChild(t *testing.T) {
	t.Parallel()
	starts := []string{"one:start", "two:start"}
	for name, tc := range map[string]struct {
		kill    syscall.Signal
		timeout time.Duration
		env     string
		list    bool
		want    []string
	}{
		"asked with the shell":    {syscall.SIGTERM, deadline, "LAST=300ms", false, []string{"one:SIGTERM", "two:SIGTERM", "one:end", "two:end"}},
		"asked after a list":      {syscall.SIGTERM, deadline, "LAST=300ms", true, []string{"one:SIGTERM", "two:SIGTERM", "one:end", "two:end"}},
		"deaf to the kill signal": {syscall.SIGINT, deadline, "IGNORE=SIGINT", false, []string{"one:SIGTERM", "two:SIGTERM", "one:end", "two:end"}},
		"deaf":                    {syscall.SIGINT, 300 * time.Millisecond, "IGNORE=SIGINT SIGTERM", false, nil},
		"deaf after a list":       {syscall.SIGINT, 300 * time.Millisecond, "IGNORE=SIGINT SIGTERM", true, nil},
		"does not heed":           {syscall.SIGTERM, 2 * time.Second, "END=", false, []string{"one:SIGTERM", "two:SIGTERM"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := newJournal(t)
			spec := j.shell(two+"wait; wait", tc.env)
			if tc.list {
				spec.Args = []string{"sh", "-c", spec.Args[0]}
			}
			spec.KillSignal, spec.KillTimeout = tc.kill, tc.timeout
			c := run(t, spec)
			j.together(starts...)
			stop(t, c)
			j.together(append(tc.want, starts...)...)
			for n := range 2 {
				pid, _ := j.started(n)
				gone(t, pid)
			}
		})
	}
}

func TestNewChildWaitsForTheRestOfTheOldOne(t *testing.T) {
	t.Parallel()
	j := newJournal(t)
	spec := j.shell("$P & wait; true", "LAST=300ms")
	spec.KillSignal = syscall.SIGTERM
	c := run(t, spec)
	j.await("start")
	c.Reload()
	j.await("start", "SIGTERM", "end", "start")
	stop(t, c)
}

func TestChildThatEndsLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	j := newJournal(t)
	c := run(t, j.shell("$P & while ! grep -qs start $LOG; do sleep 0.01; done; exit 6"))
	if code := exit(t, c); code != 6 {
		t.Errorf("code %d", code)
	}
	<-c.done // without a Stop
	pid, _ := j.started(0)
	gone(t, pid)
}

// TestTerminal has a child that types into a terminal: it may read from it only in
// the group that has it.
func TestTerminal(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		args []string
		own  bool
	}{
		{[]string{"sh", "-c", `cut -d ' ' -f 5 /proc/$$/stat >> $LOG; while :; do sleep 1; done`}, false},
		{[]string{`cut -d ' ' -f 5 /proc/$$/stat >> $LOG; while :; do sleep 1; done`}, true},
	} {
		keyboard, terminal, err := pty.Open()
		if err != nil {
			t.Fatal(err)
		}
		j := newJournal(t)
		spec := j.program()
		spec.Args, spec.Stdin, spec.KillTimeout = tc.args, terminal, 200*time.Millisecond
		c := run(t, spec)
		servers.Eventually(t, deadline, func() error {
			if len(j.lines()) == 0 {
				return fmt.Errorf("nothing yet")
			}
			return nil
		})
		if got := j.lines()[0] != fmt.Sprint(syscall.Getpgrp()); got != tc.own {
			t.Errorf("%q: own group: %v, want %v", tc.args, got, tc.own)
		}
		stop(t, c)
		_, _ = keyboard.Close(), terminal.Close()
	}
}

func TestParseStat(t *testing.T) {
	t.Parallel()
	line, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		t.Fatal(err)
	}
	s, err := parseStat(string(line))
	if err != nil || s.pid != os.Getpid() || s.parent != os.Getppid() || s.group != syscall.Getpgrp() || s.zombie() || s.started == 0 {
		t.Errorf("got %+v, %v of %s", s, err, line)
	}
	odd := "12 (a ) Z 1 (b) R 1 12 " + strings.Repeat("0 ", 16) + "77 " + strings.Repeat("0 ", 10) + "3 0 0 0"
	s, err = parseStat(odd)
	if want := (stat{12, 1, 12, 'R', 77, 3}); err != nil || s != want {
		t.Errorf("got %+v, %v, want %+v", s, err, want)
	}
	for _, bad := range []string{"", "1 (a", ")(", "1 (a) R 1", strings.Replace(odd, "12 (", "x (", 1), strings.Replace(odd, "77", "x", 1)} {
		if s, err := parseStat(bad); err == nil {
			t.Errorf("%q: got %+v", bad, s)
		}
	}
}

func TestMembersKnowWhatIsIgnored(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("sh", "-c", "trap '' INT QUIT; echo; read x")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	_, _ = out.Read(make([]byte, 1))
	got := members(cmd.Process.Pid)
	if len(got) != 1 || got[0].pid != cmd.Process.Pid || !got[0].ignores(syscall.SIGINT) || !got[0].ignores(syscall.SIGQUIT) ||
		got[0].ignores(syscall.SIGTERM) || got[0].ignores(NoSignal) {
		t.Errorf("got %+v", got)
	}
	_ = in.Close()
	// Its zombie does not count, until somebody waits for it.
	servers.Eventually(t, deadline, func() error {
		if got := members(cmd.Process.Pid); len(got) > 0 {
			return fmt.Errorf("got %+v", got)
		}
		return nil
	})
	_ = cmd.Wait()
}
