package funcs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"
)

const (
	// pluginTimeout is consul-template's.
	pluginTimeout = 30 * time.Second
	// pluginOutput bounds what a plugin may print, so that one that does not stop
	// cannot take all memory.
	pluginOutput = 100 << 20
	// pluginComplaint is how much of its standard error is kept, which is more than an
	// argument can have, and pluginQuoted how much of the end of that an error shows.
	pluginComplaint, pluginQuoted = 256 << 10, 2 << 10
)

var (
	errPluginTimeout = fmt.Errorf("it was killed: it did not end within %s", pluginTimeout)
	errPluginOutput  = fmt.Errorf("it was killed: it printed more than %d MiB", pluginOutput>>20)
)

// plugin runs a program and gives what it prints on its standard output, without
// white space around it. The arguments are handed over without white space around
// them, and left out when nothing is left. Without a name the result is empty.
//
// The program has the environment of the process, with env before it. It is killed,
// with its children, after 30 s, when it prints more than 100 MiB, or when the
// execution is ended. It is an error when it cannot be run or does not succeed; the
// error has the end of its standard error, without its arguments, which may be secret.
//
// As with consul-template it runs in each execution, also while answers are missing:
// what depends on such an answer can be put into an if.
func plugin(x *Execution, env []string) func(name string, args ...string) (string, error) {
	return func(name string, args ...string) (string, error) {
		if name == "" || x.Trial {
			return "", nil
		}
		cmd := exec.Command(name, pluginArgs(args)...)
		cmd.Env, cmd.SysProcAttr = append(os.Environ(), env...), ownGroup()
		ctx, cancel := context.WithTimeoutCause(x.Context, pluginTimeout, errPluginTimeout)
		defer cancel()
		stdout, stderr, err := runPlugin(ctx, cmd)
		if err != nil {
			return "", fmt.Errorf("plugin: %.80q: %w%s", name, err, complaint(stderr, cmd.Args[1:]))
		}
		return strings.TrimSpace(string(stdout)), nil
	}
}

// ownGroup puts a process into a group of its own, to be killed with its children.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func pluginArgs(args []string) []string {
	var out []string
	for _, arg := range args {
		if arg = strings.TrimSpace(arg); arg != "" {
			out = append(out, arg)
		}
	}
	return out
}

// runPlugin runs cmd until it has ended and nothing holds its outputs any more, as a
// child could that it has left behind; or until ctx ends.
func runPlugin(ctx context.Context, cmd *exec.Cmd) (stdout, stderr []byte, err error) {
	out, err := newStream(&cmd.Stdout)
	if err != nil {
		return nil, nil, err
	}
	defer out.close()
	errs, err := newStream(&cmd.Stderr)
	if err != nil {
		return nil, nil, err
	}
	defer errs.close()
	if err := cmd.Start(); err != nil {
		return nil, nil, startError(err)
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	var copying sync.WaitGroup
	copying.Go(func() {
		if err := out.keepAll(pluginOutput); err != nil {
			end(err)
		}
	})
	copying.Go(func() { errs.keepEnd(pluginComplaint) })
	stop := context.AfterFunc(ctx, func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		out.giveUp() // a child that has left the process group may hold them
		errs.giveUp()
	})
	copying.Wait()
	err = cmd.Wait() // only now: until then the number of the group is not given away
	stop()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return out.data, errs.data, err
}

// stream is one of a plugin's two outputs.
type stream struct {
	r, w *os.File
	data []byte
}

// newStream makes a stream for an output of a command.
func newStream(output *io.Writer) (*stream, error) {
	r, w, err := os.Pipe()
	*output = w
	return &stream{r: r, w: w}, err
}

func (s *stream) close() {
	_ = s.r.Close()
	_ = s.w.Close()
}

func (s *stream) giveUp() { _ = s.r.SetReadDeadline(time.Now()) }

// keepAll reads up to limit bytes. It is an error when there are more.
func (s *stream) keepAll(limit int64) error {
	_ = s.w.Close()
	s.data, _ = io.ReadAll(io.LimitReader(s.r, limit+1))
	if int64(len(s.data)) > limit {
		return errPluginOutput
	}
	return nil
}

// keepEnd reads everything and keeps at least the last limit bytes.
func (s *stream) keepEnd(limit int) {
	_ = s.w.Close()
	for chunk := make([]byte, 32<<10); ; {
		n, err := s.r.Read(chunk)
		s.data = append(s.data, chunk[:n]...)
		if extra := len(s.data) - limit; extra > limit {
			s.data = append(s.data[:0], s.data[extra:]...)
		}
		if err != nil {
			return
		}
	}
}

// startError is why a program cannot be run, without its name.
func startError(err error) error {
	var notFound *exec.Error
	var path *fs.PathError
	switch {
	case errors.As(err, &notFound):
		return notFound.Err
	case errors.As(err, &path):
		return path.Err
	}
	return err
}

// complaint is the end of a plugin's standard error as one line, after a colon.
func complaint(stderr []byte, args []string) string {
	text := hide(oneLine(string(stderr)), args)
	if extra := len(text) - pluginQuoted; extra > 0 {
		for !utf8.RuneStart(text[extra]) {
			extra++
		}
		text = "… " + text[extra:]
	}
	if text == "" {
		return ""
	}
	return ": " + text
}

func oneLine(s string) string { return strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ") }

// hide takes arguments out of a text, and the strings in those that are JSON, which
// is how plugins are mostly given data. Texts of one or two characters stay.
func hide(text string, args []string) string {
	var parts []string
	for _, arg := range args {
		parts = append(parts, oneLine(arg))
		var v any
		if json.Unmarshal([]byte(arg), &v) == nil {
			parts = appendStrings(parts, v)
		}
	}
	parts = slices.DeleteFunc(parts, func(s string) bool { return len(s) <= 2 })
	// The longest first: one may be a part of another.
	slices.SortFunc(parts, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, part := range parts {
		pairs = append(pairs, part, "[redacted]")
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// appendStrings appends the strings in a value of parseJSON.
func appendStrings(list []string, v any) []string {
	switch v := v.(type) {
	case string:
		list = append(list, oneLine(v))
	case []any:
		for _, element := range v {
			list = appendStrings(list, element)
		}
	case map[string]any:
		for _, value := range v {
			list = appendStrings(list, value)
		}
	}
	return list
}
