package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// TestScripts runs testdata/script. Beside the usual commands there are:
//
//	exits CODE ARG…      runs ctmpl, which has to end with this code
//	tells RE ARG…        runs ctmpl until what it prints matches
//	daemon ARG…          starts ctmpl
//	signal NAME          sends it a signal
//	ends CODE            waits for its end
//	eventually FILE RE   waits until a file matches; log is what the daemon logged
//	not FILE RE          checks that it does not
//	lines N FILE RE      checks how many times it does
//	save FILE FROM       puts a file in place in one step, as editors do
//	mode FILE OCTAL      checks its permissions
//	gone FILE            checks that the process whose number it holds is not there
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("GORACE", "atexit_sleep_ms=0")
			e.Setenv("CONSUL_HTTP_ADDR", "127.0.0.1:1") // nothing is there
			e.Setenv(stateVariable, os.Getenv(stateVariable))
			d := &running{}
			e.Values[daemonKey{}] = d
			e.Defer(d.kill)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "tells": tells, "daemon": start, "signal": sendSignal, "ends": ends,
			"eventually": eventually, "not": not, "lines": lines, "save": save, "mode": checkMode, "gone": gone,
		},
	})
}

// running is the ctmpl of a script.
type running struct {
	cmd  *exec.Cmd
	done chan struct{}
	mu   sync.Mutex
	log  bytes.Buffer
}

type daemonKey struct{}

func daemonOf(ts *testscript.TestScript) *running { return ts.Value(daemonKey{}).(*running) }

func (d *running) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.Write(p)
}

func (d *running) text() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.String()
}

// kill ends ctmpl where a step has failed, as its user would, so that it ends what it
// supervises.
func (d *running) kill() {
	if d.cmd == nil {
		return
	}
	_ = d.cmd.Process.Signal(os.Interrupt)
	timer := time.AfterFunc(10*time.Second, func() { _ = d.cmd.Process.Kill() })
	defer timer.Stop()
	<-d.done
}

// prepare prepares a run of ctmpl in the directory and environment of the script.
func prepare(ts *testscript.TestScript, args []string) *exec.Cmd {
	path, err := exec.LookPath("ctmpl")
	ts.Check(err)
	cmd := exec.Command(path, args...)
	cmd.Dir = ts.Getenv("WORK")
	cmd.Env = append(os.Environ(), fastExit, "CONSUL_HTTP_ADDR="+ts.Getenv("CONSUL_HTTP_ADDR"), "EXTRA="+ts.Getenv("EXTRA"), "CT_LOCAL_CONFIG="+ts.Getenv("CT_LOCAL_CONFIG"))
	return cmd
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: exits CODE ARG…")
	}
	if code := execute(ts, args[1:]); strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// tells waits until ctmpl prints what is expected, and exits with 0.
func tells(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	err := servers.Wait(ctx, func() error {
		code, text := execute(ts, args[1:]), contents(ts, "stdout.txt")
		if code != 0 || !regexp.MustCompile("(?m)"+args[0]).MatchString(text) {
			return fmt.Errorf("exit code %d, %s is not in:\n%s", code, args[0], text)
		}
		return nil
	})
	if err != nil {
		ts.Fatalf("%v\n[log]\n%s", err, daemonOf(ts).text())
	}
}

// execute runs ctmpl, and leaves what it prints in files.
func execute(ts *testscript.TestScript, args []string) (code int) {
	cmd := prepare(ts, args)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	timer := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	err := cmd.Run()
	ts.Check(os.WriteFile(ts.MkAbs("stdout.txt"), stdout.Bytes(), 0o644))
	ts.Check(os.WriteFile(ts.MkAbs("stderr.txt"), stderr.Bytes(), 0o644))
	ts.Logf("[stdout]\n%s[stderr]\n%s", &stdout, &stderr)
	return exitCode(err)
}

func exitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return exit.ExitCode()
	case err != nil:
		return -1
	}
	return 0
}

func start(ts *testscript.TestScript, _ bool, args []string) {
	d := daemonOf(ts)
	d.log.Reset()
	d.cmd = prepare(ts, args)
	d.cmd.Stdout, d.cmd.Stderr = d, d
	d.cmd.WaitDelay = time.Second // for what a supervised program leaves open
	d.done = make(chan struct{})
	ts.Check(d.cmd.Start())
	go func() {
		_ = d.cmd.Wait()
		close(d.done)
	}()
}

var signalNames = map[string]os.Signal{
	"INT": os.Interrupt, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP, "USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2, "QUIT": syscall.SIGQUIT,
}

func sendSignal(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(daemonOf(ts).cmd.Process.Signal(signalNames[args[0]]))
}

func ends(ts *testscript.TestScript, _ bool, args []string) {
	d := daemonOf(ts)
	select {
	case <-d.done:
	case <-time.After(time.Minute):
		ts.Fatalf("ctmpl does not end\n%s", d.text())
	}
	if code := d.cmd.ProcessState.ExitCode(); strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s\n%s", code, args[0], d.text())
	}
}

// contents gives a file, or what the daemon has logged.
func contents(ts *testscript.TestScript, name string) string {
	if name == "log" {
		return daemonOf(ts).text()
	}
	data, err := os.ReadFile(ts.MkAbs(name))
	if err != nil {
		return ""
	}
	return string(data)
}

func eventually(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	err := servers.Wait(ctx, func() error {
		if text := contents(ts, args[0]); !regexp.MustCompile("(?m)" + args[1]).MatchString(text) {
			return fmt.Errorf("%s does not match %s:\n%s", args[0], args[1], text)
		}
		return nil
	})
	if err != nil {
		ts.Fatalf("%v\n[log]\n%s", err, daemonOf(ts).text())
	}
}

func not(ts *testscript.TestScript, _ bool, args []string) {
	if text := contents(ts, args[0]); regexp.MustCompile("(?m)" + args[1]).MatchString(text) {
		ts.Fatalf("%s matches %s:\n%s", args[0], args[1], text)
	}
}

func lines(ts *testscript.TestScript, _ bool, args []string) {
	text := contents(ts, args[1])
	if n := len(regexp.MustCompile("(?m)"+args[2]).FindAllString(text, -1)); strconv.Itoa(n) != args[0] {
		ts.Fatalf("%s matches %s %d times, want %s:\n%s", args[1], args[2], n, args[0], text)
	}
}

func save(ts *testscript.TestScript, _ bool, args []string) {
	data, err := os.ReadFile(ts.MkAbs(args[1]))
	ts.Check(err)
	tmp := ts.MkAbs(args[0]) + "~"
	ts.Check(os.WriteFile(tmp, data, 0o644))
	ts.Check(os.Rename(tmp, ts.MkAbs(args[0])))
}

func checkMode(ts *testscript.TestScript, _ bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[1] {
		ts.Fatalf("%s has mode %s, want %s", args[0], got, args[1])
	}
}

func gone(ts *testscript.TestScript, _ bool, args []string) {
	pid, err := strconv.Atoi(strings.TrimSpace(contents(ts, args[0])))
	ts.Check(err)
	if err := syscall.Kill(pid, 0); err == nil {
		ts.Fatalf("the process %d is still there", pid)
	}
}
