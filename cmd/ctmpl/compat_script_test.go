package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// Each step of a case has to be done within patience.
const patience = 30 * time.Second

// script is a case that one program plays.
type script struct {
	t       *testing.T
	consul  *api.Client
	binary  string
	dir     string
	output  string // directory with standard output and error of what was started
	vars    []string
	env     []string
	stdin   string
	ignored []string
	started *exec.Cmd
	ended   chan struct{} // closed when what was started has ended
}

// play lays out the files of a case, takes its steps, and tells what came of it.
func (c configCase) play(t *testing.T, consul *api.Client, binary string, vars []string) outcome {
	t.Helper()
	s := &script{t: t, consul: consul, binary: binary, dir: t.TempDir()}
	prefix := fmt.Sprintf("%s/%s", c.name, filepath.Base(binary))
	s.vars = append(slices.Clone(vars), "@WORK@", s.dir, "@KEYS@", prefix)
	s.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "LANG=C", "CT_TEST=given", fastExit, "PEER=" + s.fill("@ADDR@"),
		stateVariable + "=" + os.Getenv(stateVariable),
	}
	for _, f := range c.files {
		path := filepath.Join(s.dir, f.Name)
		err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(s.fill(string(f.Data))), 0o644))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(f.Name, ".sh") {
			_ = os.Chmod(path, 0o755)
		}
	}
	t.Cleanup(s.kill)
	out := outcome{}
	for _, line := range c.lines {
		out.Steps = append(out.Steps, line+" → "+s.tidy(s.step(line)))
	}
	out.Files = leftovers(t, s.dir, s.ignored, s.tidy)
	return out
}

// step takes one step and gives what came of it:
//
//	env NAME=VALUE   for the steps that follow
//	stdin TEXT       likewise
//	ignore PATTERN   files that are not compared
//	run ARG…         runs the program with -consul-addr, until it ends
//	bare ARG…        the same without -consul-addr
//	start ARG…       starts the program with -consul-addr
//	signal NAME      sends it a signal
//	ends             waits for its end
//	gone             the same without its exit code
//	until FILE RE    waits until a file matches, or the program has ended
//	put KEY VALUE    sets a key
//	sh COMMAND       runs a command of the shell
func (s *script) step(line string) string {
	verb, rest, _ := strings.Cut(line, " ")
	rest = s.fill(rest)
	args := words(rest)
	switch verb {
	case "env":
		s.env = append(s.env, rest)
	case "stdin":
		s.stdin = rest + "\n"
	case "ignore":
		s.ignored = append(s.ignored, rest)
	case "run":
		return s.run(s.command(s.binary, append([]string{"-consul-addr", s.fill("@ADDR@")}, args...)...))
	case "bare":
		return s.run(s.command(s.binary, args...))
	case "sh":
		return s.run(s.command("sh", "-c", rest))
	case "start":
		s.start(args)
	case "signal":
		s.awaitHandlers()
		_ = s.started.Process.Signal(signalNames[rest]) // it may have ended
	case "ends":
		return s.ends()
	case "gone":
		s.ends()
	case "until":
		file, re, _ := strings.Cut(rest, " ")
		return s.until(file, regexp.MustCompile("(?m)"+re))
	case "put":
		key, value, _ := strings.Cut(rest, " ")
		putKey(s.t, s.consul, key, value)
	default:
		s.t.Fatalf("no such step: %s", line)
	}
	return ""
}

// fill puts values in the place of variables, and tidy does the opposite.
func (s *script) fill(text string) string { return strings.NewReplacer(s.vars...).Replace(text) }

func (s *script) tidy(text string) string {
	back := make([]string, len(s.vars))
	for i := 0; i < len(s.vars); i += 2 {
		back[i], back[i+1] = s.vars[i+1], s.vars[i]
	}
	return strings.NewReplacer(back...).Replace(text)
}

var wordRE = regexp.MustCompile(`'[^']*'|\S+`)

// words splits a line at white space, but not between single quotes.
func words(line string) []string {
	list := wordRE.FindAllString(line, -1)
	for i := range list {
		list[i] = strings.Trim(list[i], "'")
	}
	return list
}

// command prepares a run. Output goes to files of a new directory, since a pipe would
// be held open by what the program leaves behind.
func (s *script) command(name string, args ...string) (cmd *exec.Cmd, output string) {
	cmd, output = exec.Command(name, args...), s.t.TempDir()
	cmd.Dir, cmd.Env = s.dir, s.env
	files := map[string]*os.File{}
	for _, stream := range []string{"stdin", "stdout", "stderr"} {
		f, err := os.Create(filepath.Join(output, stream))
		if err != nil {
			s.t.Fatal(err)
		}
		s.t.Cleanup(func() { f.Close() })
		files[stream] = f
	}
	_, _ = files["stdin"].WriteString(s.stdin)
	_, _ = files["stdin"].Seek(0, 0)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = files["stdin"], files["stdout"], files["stderr"]
	return cmd, output
}

// run gives exit code and standard output.
func (s *script) run(cmd *exec.Cmd, output string) string {
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	timer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	_ = cmd.Wait()
	if !timer.Stop() {
		s.t.Errorf("%s did not end", cmd)
	}
	return s.result(cmd, output)
}

func (s *script) result(cmd *exec.Cmd, output string) string {
	stdout, _ := os.ReadFile(filepath.Join(output, "stdout"))
	stderr, _ := os.ReadFile(filepath.Join(output, "stderr"))
	s.t.Logf("%s %q: %v\n%s", filepath.Base(s.binary), cmd.Args[1:], cmd.ProcessState, stderr)
	return fmt.Sprintf("exit code %d\n%s", cmd.ProcessState.ExitCode(), stdout)
}

func (s *script) start(args []string) {
	s.started, s.output = s.command(s.binary, append([]string{"-consul-addr", s.fill("@ADDR@")}, args...)...)
	if err := s.started.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended, cmd := make(chan struct{}), s.started
	s.ended = ended
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	s.t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended }) // where a step has failed
}

func (s *script) ends() string {
	select {
	case <-s.ended:
	case <-time.After(patience):
		s.t.Errorf("%s does not end", s.binary)
		s.kill()
	}
	return s.result(s.started, s.output)
}

// until waits until a file, or stdout or stderr, matches, or for the end of the program, and
// tells which it was.
func (s *script) until(file string, re *regexp.Regexp) (what string) {
	path := filepath.Join(s.dir, file)
	if file == "stdout" || file == "stderr" {
		path = filepath.Join(s.output, file)
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	err := servers.Wait(ctx, func() error {
		over := s.over() // before the look, since it may write until then
		text, _ := os.ReadFile(path)
		switch {
		case re.Match(text):
			what = "it matches"
		case over:
			what = "the program has ended"
		default:
			return fmt.Errorf("%s does not match %s:\n%s", file, re, text)
		}
		return nil
	})
	if err != nil {
		stderr, _ := os.ReadFile(filepath.Join(s.output, "stderr"))
		s.t.Errorf("%s: %v\n%s", filepath.Base(s.binary), err, stderr)
	}
	return cmp.Or(what, "never")
}

// awaitHandlers waits until consul-template heeds signals, which it does some time
// after it has begun to work. It is seen by those that a Go program catches only when
// it is asked for them; it asks for all of its signals one after the other, and is idle
// then. ctmpl heeds signals before it does anything else.
func (s *script) awaitHandlers() {
	if s.binary == program(s.t) {
		return
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	_ = servers.Wait(ctx, func() error {
		proc := fmt.Sprintf("/proc/%d", s.started.Process.Pid)
		status, err := os.ReadFile(proc + "/status")
		if err != nil || s.over() { // it has ended, or this is no Linux
			return nil
		}
		_, caught, _ := strings.Cut(string(status), "SigCgt:\t")
		caught, _, _ = strings.Cut(caught, "\n")
		bits, err := strconv.ParseUint(caught, 16, 64)
		for _, sig := range []syscall.Signal{syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU, syscall.SIGCONT} {
			if err != nil || bits&(1<<(sig-1)) == 0 {
				return errors.New("it does not catch signals yet")
			}
		}
		if !idle(proc) {
			return errors.New("it is busy")
		}
		return nil
	})
}

// idle tells whether all threads of a process sleep.
func idle(proc string) bool {
	paths, _ := filepath.Glob(proc + "/task/*/stat")
	for _, path := range paths {
		stat, _ := os.ReadFile(path)
		if _, rest, ok := strings.Cut(string(stat), ") "); ok && rest[0] != 'S' {
			return false
		}
	}
	return true
}

// over tells whether what was started has ended.
func (s *script) over() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// kill ends what was started.
func (s *script) kill() {
	if s.started != nil {
		_ = s.started.Process.Kill()
		<-s.ended
	}
}
