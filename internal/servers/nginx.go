package servers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/ctmpl/ctmpl/internal/servers/installed"
)

// Nginx is an nginx in the foreground that keeps its files below Dir. Its
// methods are for one goroutine at a time.
type Nginx struct {
	Dir      string // the prefix
	Conf     string // path of the main configuration file
	ErrorLog string // path
	Globals  string // the directives given by -g, see Globals

	binary string
	proc   *process
}

// FindNginx gives the nginx that the tests use, or an error that says how to
// install it.
func FindNginx(ctx context.Context) (installed.Nginx, error) { return installed.FindNginx(ctx) }

// StartNginx starts nginx with the configuration file conf and the prefix dir,
// both absolute, and returns when its listeners accept connections and a worker
// runs. The directory dir/tmp is made for HTTPTemp. The configuration may leave
// out what Globals gives, and error_log: then the log is ErrorLog, which Reload
// and Log read. An nginx that cannot serve stream will do for a configuration
// without a stream block.
func StartNginx(ctx context.Context, dir, conf string) (*Nginx, error) {
	if !filepath.IsAbs(dir) || !filepath.IsAbs(conf) {
		return nil, fmt.Errorf("start nginx: %q and %q have to be absolute paths", dir, conf)
	}
	text, err := os.ReadFile(conf)
	if err != nil {
		return nil, fmt.Errorf("start nginx: %w", err)
	}
	found, err := FindNginx(ctx)
	if err != nil && (!errors.Is(err, installed.ErrNoStream) || sets(string(text), "stream")) {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(dir, "tmp"), 0o755); err != nil {
		return nil, fmt.Errorf("start nginx: %w", err)
	}
	n := &Nginx{Dir: dir, Conf: conf, ErrorLog: filepath.Join(dir, "error.log"), Globals: Globals(string(text), dir, found), binary: found.Path}
	if err := n.start(ctx); err != nil {
		return nil, errors.Join(err, n.Stop())
	}
	return n, nil
}

func (n *Nginx) start(ctx context.Context) (err error) {
	n.proc, err = startProcess(command{
		name: "nginx",
		argv: n.Args(),
		log:  filepath.Join(n.Dir, "nginx.out"),
		// On SIGKILL the master would leave its workers behind.
		onParentDeath: syscall.SIGTERM,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	// The master listens before it forks the first worker.
	err = waitFor(ctx, n.proc, func() error {
		if len(n.Workers()) == 0 {
			return errors.New("it has no worker")
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("wait for nginx -c %s: %w%s%s", n.Conf, err, n.proc.tail(), tailOf(n.ErrorLog))
	}
	return nil
}

// Args gives the command line of this nginx, with more arguments behind it:
// Args("-t") checks the configuration, Args("-s", "reload") reloads.
func (n *Nginx) Args(more ...string) []string {
	return append([]string{n.binary, "-p", n.Dir, "-c", n.Conf, "-e", n.ErrorLog, "-g", n.Globals}, more...)
}

// Command is Args as one string for a shell.
func (n *Nginx) Command(more ...string) string {
	var words []string
	for _, arg := range n.Args(more...) {
		words = append(words, shellQuote(arg))
	}
	return strings.Join(words, " ")
}

// ReloadCommand gives what stands for "nginx -s reload" in the command of a
// template.
func (n *Nginx) ReloadCommand() string { return n.Command("-s", "reload") }

// CheckCommand gives what stands for "nginx -t".
func (n *Nginx) CheckCommand() string { return n.Command("-t") }

// Check runs nginx -t; the error holds its output.
func (n *Nginx) Check(ctx context.Context) error {
	args := n.Args("-t")
	if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("nginx -t -c %s: %w\n%s", n.Conf, err, out)
	}
	return nil
}

// PID is the process ID of the master.
func (n *Nginx) PID() int { return n.proc.pid() }

// Running says whether the master lives.
func (n *Nginx) Running() bool { return n.proc != nil && n.proc.running() }

// Workers gives the process IDs of the master's children, draining workers
// included, in ascending order.
func (n *Nginx) Workers() []int {
	pid := strconv.Itoa(n.PID())
	text, err := os.ReadFile(filepath.Join("/proc", pid, "task", pid, "children"))
	if err != nil { // it has ended
		return nil
	}
	var workers []int
	for _, field := range strings.Fields(string(text)) {
		if worker, err := strconv.Atoi(field); err == nil {
			workers = append(workers, worker)
		}
	}
	slices.Sort(workers)
	return workers
}

// Reload sends SIGHUP and returns when a new worker runs, or with what nginx has
// written to its error log when it refuses the configuration.
func (n *Nginx) Reload(ctx context.Context) error {
	before := n.Workers()
	logged := len(n.readLog())
	if err := n.proc.signal(syscall.SIGHUP); err != nil {
		return fmt.Errorf("reload nginx: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	var refused error
	err := waitFor(ctx, n.proc, func() error {
		log := n.readLog()
		if refused = emergency(log[min(logged, len(log)):]); refused != nil {
			return nil
		}
		if !slices.ContainsFunc(n.Workers(), func(pid int) bool { return !slices.Contains(before, pid) }) {
			return errors.New("there is no new worker")
		}
		return nil
	})
	if err := errors.Join(refused, err); err != nil {
		return fmt.Errorf("reload nginx: %w", err)
	}
	return nil
}

// emergency gives the first complete line of a log that says that a
// configuration was refused.
func emergency(log []byte) error {
	for line := range bytes.Lines(log) {
		if bytes.Contains(line, []byte("[emerg]")) && bytes.HasSuffix(line, []byte("\n")) {
			return errors.New(string(bytes.TrimSpace(line)))
		}
	}
	return nil
}

// Log gives the text of the error log.
func (n *Nginx) Log() string { return string(n.readLog()) }

// readLog gives nothing when there is no error log yet.
func (n *Nginx) readLog() []byte {
	text, _ := os.ReadFile(n.ErrorLog)
	return text
}

// Quit lets the workers finish their connections, for as long as that takes, and
// returns when nginx has ended.
func (n *Nginx) Quit(ctx context.Context) error {
	if err := n.proc.signal(syscall.SIGQUIT); err != nil {
		return fmt.Errorf("quit nginx: %w", err)
	}
	select {
	case <-n.proc.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("quit nginx: %w", context.Cause(ctx))
	}
}

// Stop ends nginx at once, with all connections. The files stay.
func (n *Nginx) Stop() error { return n.proc.stop(syscall.SIGTERM) }

// Kill ends the master and its workers as a crash would: the pid file stays. It
// returns when all have ended: a worker that was only just forked still has the
// title of its master.
func (n *Nginx) Kill() {
	_ = n.proc.freeze() // it forks no more; an error means that it has ended
	var ends []func()
	for _, worker := range n.Workers() {
		ends = append(ends, watchEnd(worker))
	}
	n.proc.kill()
	for _, await := range ends {
		await()
	}
}

// Restart stops nginx if it runs and starts it again with the same globals.
func (n *Nginx) Restart(ctx context.Context) error {
	if err := n.Stop(); err != nil {
		return err
	}
	return n.start(ctx)
}
