package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sync/errgroup"

	"github.com/ctmpl/ctmpl/cmd/ctmpl/config"
	"github.com/ctmpl/ctmpl/render"
	"github.com/ctmpl/ctmpl/render/child"
	"github.com/ctmpl/ctmpl/render/rollout"
	"github.com/ctmpl/ctmpl/templates"
	"github.com/ctmpl/ctmpl/watch"
	"github.com/ctmpl/ctmpl/watch/consul"
	"github.com/ctmpl/ctmpl/watch/files"
)

// daemon is everything that runs. Store, engine and watcher last as long as the
// program; the feed is replaced when the configuration asks for another source.
type daemon struct {
	flags   *flags
	stdout  io.Writer
	logs    *logs
	log     *slog.Logger
	drivers *drivers
	state   *rollout.State // nil when none is kept
	store   *watch.Store
	watcher *files.Watcher
	engine  *render.Engine
	child   *supervisor // nil without a program to supervise
	pid     pidFile

	killSignal, reloadSignal, approveSignal syscall.Signal // as they were configured at the start

	ctx context.Context // of run, for what the watcher calls
	// What happened that follow has to deal with; capacity 1 each.
	reload, configChanged, credentialsChanged chan struct{}

	mu   sync.Mutex
	want watch.Set // the newest set of queries for the source
	feed *feed

	first *config.Config // that the daemon was made with
	cfg   *config.Config // belongs to newDaemon, then to follow
}

func newDaemon(cfg *config.Config, flags *flags, stdout, stderr io.Writer) (*daemon, error) {
	logs, err := openLogs(cfg, stderr)
	if err != nil {
		return nil, &configError{err}
	}
	drivers := newDrivers(logs.logger())
	specs, err := specs(cfg, flags, drivers)
	if err != nil {
		logs.close()
		return nil, err
	}
	d := &daemon{
		first: cfg, cfg: cfg, flags: flags, stdout: stdout, logs: logs, log: drivers.log, drivers: drivers, store: watch.NewStore(),
		killSignal: syscall.Signal(cfg.KillSignal), reloadSignal: syscall.Signal(cfg.ReloadSignal), approveSignal: syscall.Signal(cfg.ApproveSignal),
		reload: make(chan struct{}, 1), configChanged: make(chan struct{}, 1), credentialsChanged: make(chan struct{}, 1),
	}
	for _, text := range conflicts(cfg, flags) {
		d.log.Warn(text)
	}
	if !flags.dry {
		d.state = openState(cfg, d.log)
	}
	if err := d.make(specs); err != nil {
		logs.close()
		return nil, err
	}
	return d, nil
}

// make makes the parts. Files are watched before they are read, so that no change
// is missed.
func (d *daemon) make(specs []render.Spec) (err error) {
	d.watcher = files.New(d.log)
	d.watchTemplates(d.cfg)
	d.watchSource(d.cfg)
	if d.feed, err = d.newFeed(d.cfg); err != nil {
		return err
	}
	contents := files.NewContents(d.watcher, d.store)
	options := render.Options{
		Store: d.store, Log: d.log, State: d.state, At: d.flags.at, Once: d.cfg.Once, Timeout: d.cfg.OnceTimeout, Diff: d.flags.diff, Complete: d.complete,
		Want: func(set watch.Set) {
			ours, theirs := split(set)
			contents.Want(ours)
			d.ask(theirs)
		},
	}
	if d.flags.dry {
		options.Show, options.Colour = d.stdout, isTerminal(d.stdout)
	} else if d.cfg.Exec.On() {
		d.child = newSupervisor(d.cfg, d.log)
		options.Changed = d.child.reload
	}
	d.engine, err = render.New(specs, options)
	return err
}

// split parts the queries on files from those for the source.
func split(set watch.Set) (file, other watch.Set) {
	file, other = watch.Set{}, watch.Set{}
	for q := range set {
		if q.Kind == watch.KindFile {
			file.Add(q)
		} else {
			other.Add(q)
		}
	}
	return file, other
}

// ask passes the wanted queries on to the feed, and to those that come after it.
func (d *daemon) ask(set watch.Set) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.want = set
	d.feed.scheduler.Want(set)
}

// run runs until a signal ends it or, with once, until all is done. The error is
// errInterrupted in the first case, and a *childExit when the supervised program has
// ended.
func (d *daemon) run(ctx context.Context, arrived chan os.Signal) error {
	defer d.logs.close()
	d.listen(arrived) // before anybody can know the number of the process
	var err error
	if d.pid, err = writePidFile(d.cfg.PidFile); err != nil {
		return err
	}
	defer d.pid.remove(d.log)
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	heeding, deaf := context.WithCancel(context.Background())
	defer deaf()
	go d.heed(heeding, arrived, stop)
	if !d.cfg.Once {
		d.log.Info("started", "version", version, "templates", len(d.cfg.Templates), "source", d.feed.name)
	}
	g, ctx := errgroup.WithContext(ctx)
	d.ctx = ctx
	d.checkConfig()
	rendered := make(chan struct{})
	parts := &parts{}
	parts.run(g, "watching files", func() error { d.watcher.Run(ctx); return nil })
	parts.run(g, "reaping", func() error { child.Reap(ctx, d.log); return nil })
	parts.run(g, "asking the source", func() error { return d.follow(ctx, rendered) })
	parts.run(g, "rendering and rolling out", func() error {
		defer close(rendered)
		return d.render(ctx)
	})
	if d.child != nil {
		parts.run(g, "the supervised program", func() error { return d.child.run(ctx, rendered) })
	}
	defer parts.complain(ctx, d.log)()
	err = g.Wait()
	if errors.Is(err, errDone) {
		err = nil
	}
	if err == nil && context.Cause(ctx) == errInterrupted {
		err = errInterrupted
	}
	return err
}

// errDone ends the daemon when all is done.
var errDone = errors.New("all is done")

// render runs the engine. That it has ended is the end of the daemon, unless there
// is a program to wait for.
func (d *daemon) render(ctx context.Context) error {
	err := d.engine.Run(ctx)
	if err == nil && d.child == nil {
		err = errDone
	}
	return err
}

// complete starts the program to supervise, and tells systemd that all is rendered.
func (d *daemon) complete() {
	if d.child != nil {
		d.child.start()
	}
	d.tell(systemd.SdNotifyReady)
}

// tell tells systemd of a change of state, where it has started ctmpl.
func (d *daemon) tell(state string) {
	if _, err := systemd.SdNotify(false, state); err != nil {
		d.log.Warn("cannot notify systemd", "error", err)
	}
}

// follow runs the feed and takes over changes of configuration, templates and
// credentials, until ctx ends, or the feed gives up, or all is rendered that is to be.
func (d *daemon) follow(ctx context.Context, rendered <-chan struct{}) error {
	d.feed.start(ctx)
	defer func() { d.feed.stop() }()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-rendered: // with once, while the supervised program goes on
			d.feed.stop()
			return d.idle(ctx)
		case <-d.feed.done:
			return d.feed.err
		case <-d.reload:
			d.logs.reopen()
			d.log.Info("reading configuration and templates again", "reason", "asked by a signal")
			d.reconfigure(ctx)
		case <-d.configChanged:
			d.log.Info("reading configuration and templates again", "reason", "the configuration changed")
			d.reconfigure(ctx)
		case <-d.credentialsChanged:
			d.log.Info("connecting anew", "reason", "a token or certificate changed")
			if err := d.swap(ctx, d.cfg); err != nil {
				d.log.Error("token or certificate not used: the last good one stays", "error", oneLine(err))
			}
		}
	}
}

// idle waits for the end when there is nothing to apply any more.
func (d *daemon) idle(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.reload:
			d.logs.reopen()
			d.log.Info("everything was rendered once: nothing is read again", "reason", "asked by a signal")
		}
	}
}

// reconfigure applies the difference between the configuration that runs and what
// its files say now. An error changes nothing.
func (d *daemon) reconfigure(ctx context.Context) {
	cfg, err := d.load()
	var list []render.Spec
	if err == nil {
		list, err = specs(cfg, d.flags, d.drivers)
	}
	if err == nil && !sameFeed(d.cfg, cfg) {
		d.watchSource(cfg)
		if err = d.swap(ctx, cfg); err != nil {
			d.watchSource(d.cfg)
		}
	}
	if err != nil {
		d.log.Error("configuration not used: the last good one stays", "error", oneLine(err))
		return
	}
	d.needRestart(cfg)
	d.cfg = cfg
	d.logs.level.Set(cfg.LogLevel.Level)
	d.watchTemplates(cfg)
	d.engine.Configure(ctx, list)
}

// swap puts the source of a configuration in place of the one that is asked now.
// What was read stays good where it comes from the same place. A source that
// cannot be made changes nothing.
func (d *daemon) swap(ctx context.Context, cfg *config.Config) error {
	next, err := d.newFeed(cfg)
	if err != nil {
		return err
	}
	d.feed.stop()
	if !sameData(d.cfg, cfg) {
		// Not while a template runs: it could have read the one place, and go on to read
		// the other.
		d.engine.Between(ctx, func() { d.store.Keep(func(q watch.Query) bool { return q.Kind == watch.KindFile }) })
	}
	d.mu.Lock()
	d.feed = next
	next.scheduler.Want(d.want)
	d.mu.Unlock()
	next.start(ctx)
	return nil
}

// needRestart says which changes of the configuration have to wait.
func (d *daemon) needRestart(cfg *config.Config) {
	for _, part := range []struct {
		key      string
		now, new any
	}{
		{"once", d.first.Once, cfg.Once},
		{"exec", d.first.Exec, cfg.Exec},
		{"kill_signal", d.first.KillSignal, cfg.KillSignal},
		{"reload_signal", d.first.ReloadSignal, cfg.ReloadSignal},
		{"pid_file", d.first.PidFile, cfg.PidFile},
		{"log_file", d.first.LogFile, cfg.LogFile},
		{"log_format", d.first.LogFormat, cfg.LogFormat},
		{"syslog", d.first.Syslog, cfg.Syslog},
		{"state_dir", d.first.StatePath(), cfg.StatePath()},
		{"history", d.first.History, cfg.History},
		{"approve_signal", d.first.ApproveSignal, cfg.ApproveSignal},
	} {
		if !reflect.DeepEqual(part.now, part.new) {
			d.log.Warn("a change of the configuration takes effect at the next start only", "key", part.key)
		}
	}
}

// watchTemplates follows the templates and the configuration.
func (d *daemon) watchTemplates(cfg *config.Config) {
	var sources []string
	for _, t := range cfg.Templates {
		if t.Source != "" && !templates.Named(t.Source) {
			sources = append(sources, t.Source)
		}
	}
	d.watcher.Watch("templates", sources, func(path string) { d.engine.Reread(d.ctx, path) })
	d.watcher.Watch("config", d.flags.configs, func(string) { notify(d.configChanged) })
	d.watchRequests()
}

// watchSource follows the files that the source of a configuration is made from.
func (d *daemon) watchSource(cfg *config.Config) {
	var catalogs, credentials []string
	if cfg.Catalog != "" {
		catalogs = []string{cfg.Catalog}
	} else {
		credentials = consul.Files(clientConfig(cfg))
	}
	d.watcher.Watch("catalog", catalogs, d.loadCatalog)
	d.watcher.Watch("credentials", credentials, func(string) { notify(d.credentialsChanged) })
}

// loadCatalog takes over a catalog file that has changed.
func (d *daemon) loadCatalog(path string) {
	d.mu.Lock()
	src := d.feed.catalog
	d.mu.Unlock()
	if src == nil {
		return // the source has just been replaced
	}
	if err := src.Load(); err != nil {
		d.log.Error("catalog not used: the last good one stays", "error", oneLine(err))
		return
	}
	d.log.Info("catalog changed", "catalog", path)
}

// checkConfig looks whether the configuration changed between being read and being
// watched.
func (d *daemon) checkConfig() {
	if now, err := d.load(); err != nil || !reflect.DeepEqual(now, d.cfg) {
		notify(d.configChanged)
	}
}

// load reads the configuration again. A pipe can be read only once: what it said stays.
func (d *daemon) load() (*config.Config, error) {
	if slices.ContainsFunc(d.flags.configs, isStream) {
		return d.cfg, nil
	}
	return d.flags.load()
}

// notify wakes the reader of a channel of capacity 1.
func notify(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// isStream tells whether a path is neither a file nor a directory: a pipe.
func isStream(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.Mode().IsRegular() && !info.IsDir()
}

// oneLine puts several errors into one line, for the log.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
