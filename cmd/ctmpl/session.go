package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/ctmpl/ctmpl/cmd/ctmpl/config"
	"github.com/ctmpl/ctmpl/render"
	"github.com/ctmpl/ctmpl/watch"
	"github.com/ctmpl/ctmpl/watch/catalog"
	"github.com/ctmpl/ctmpl/watch/consul"
	"github.com/ctmpl/ctmpl/watch/files"
)

// connections is the budget of connections to the Consul agent, which allows 200
// from one client address and is also used by others there.
const connections = 160

// catalogReaders is how many queries wait for a change of a catalog file at once.
// They cost no connection.
const catalogReaders = 10_000

// session is everything that runs with one source.
type session struct {
	cfg       *config.Config
	flags     *flags
	stdout    io.Writer
	stderr    io.Writer
	log       *slog.Logger
	level     *slog.LevelVar // of log
	watcher   *files.Watcher
	scheduler *watch.Scheduler
	engine    *render.Engine
	reload    chan struct{}   // capacity 1: the configuration may have changed
	ctx       context.Context // of run, for what the watcher calls
}

func newSession(cfg *config.Config, flags *flags, stdout, stderr io.Writer) (*session, error) {
	specs, err := specs(cfg, flags.dry)
	if err != nil {
		return nil, err
	}
	level := &slog.LevelVar{}
	level.Set(cfg.LogLevel.Level)
	log := newLog(stderr, level)
	s := &session{
		cfg: cfg, flags: flags, stdout: stdout, stderr: stderr, log: log, level: level,
		watcher: files.New(log), reload: make(chan struct{}, 1),
	}
	src, opt, err := s.source()
	if err != nil {
		return nil, err
	}
	store := watch.NewStore()
	s.scheduler = watch.NewScheduler(src, store, opt)
	contents := files.NewContents(s.watcher, store)
	options := render.Options{Store: store, Log: log, Once: cfg.Once, Want: func(set watch.Set) {
		ours, theirs := split(set)
		contents.Want(ours)
		s.scheduler.Want(theirs)
	}}
	if flags.dry {
		options.Show = stdout
	}
	s.watchFiles() // before they are read, so that no change is missed
	if s.engine, err = render.New(specs, options); err != nil {
		return nil, err
	}
	return s, nil
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

// source makes the source that the configuration names, and the way to ask it.
func (s *session) source() (watch.Source, watch.Options, error) {
	opt := watch.Options{Hold: s.cfg.BlockQueryWait, Log: s.log, Connections: connections, Retry: retry(s.cfg.Consul.Retry)}
	if s.cfg.Catalog != "" {
		src, err := s.catalog()
		opt.Name, opt.Connections = "the catalog "+s.cfg.Catalog, catalogReaders
		return src, opt, err
	}
	src, err := consul.New(clientConfig(s.cfg))
	if err != nil {
		return nil, opt, &configError{err}
	}
	opt.Name = "Consul at " + src.Addr()
	return src, opt, nil
}

// catalog opens the catalog files and follows their changes.
func (s *session) catalog() (watch.Source, error) {
	var src *catalog.Source
	s.watcher.Watch("catalog", []string{s.cfg.Catalog}, func(path string) {
		if err := src.Load(); err != nil {
			s.log.Error("catalog not used: the last good one stays", "error", oneLine(err))
			return
		}
		s.log.Info("catalog changed", "catalog", path)
	})
	src, err := catalog.Open(s.cfg.Catalog)
	if err != nil {
		return nil, &configError{err}
	}
	return src, nil
}

// run runs until ctx ends or, with once, until all is done. It gives the next
// session when the configuration asks for one.
func (s *session) run(ctx context.Context, hup <-chan os.Signal) (*session, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var next *session
	g, ctx := errgroup.WithContext(ctx)
	s.ctx = ctx
	s.checkConfig()
	g.Go(func() error { return s.scheduler.Run(ctx) })
	g.Go(func() error { s.watcher.Run(ctx); return nil })
	g.Go(func() error {
		defer cancel()
		return s.engine.Run(ctx)
	})
	g.Go(func() error {
		defer cancel()
		next = s.follow(ctx, hup)
		return nil
	})
	err := g.Wait()
	return next, err
}

// follow takes over changes of configuration and templates until ctx ends, or
// until there is a configuration that needs a session of its own. That is made while
// this one runs, so that one which cannot be made changes nothing.
func (s *session) follow(ctx context.Context, hup <-chan os.Signal) *session {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hup:
			s.log.Info("reading configuration and templates again", "reason", "SIGHUP")
		case <-s.reload:
			s.log.Info("reading configuration and templates again", "reason", "the configuration changed")
		}
		cfg, specs, err := s.reconfigure()
		if err == nil && !sameSource(s.cfg, cfg) {
			var next *session
			if next, err = newSession(cfg, s.flags, s.stdout, s.stderr); err == nil {
				return next
			}
		}
		if err != nil {
			s.log.Error("configuration not used: the last good one stays", "error", oneLine(err))
			continue
		}
		s.cfg = cfg
		s.level.Set(cfg.LogLevel.Level)
		s.watchFiles()
		s.engine.Configure(ctx, specs)
	}
}

func (s *session) reconfigure() (*config.Config, []render.Spec, error) {
	cfg, err := s.flags.load()
	if err != nil {
		return nil, nil, err
	}
	specs, err := specs(cfg, s.flags.dry)
	return cfg, specs, err
}

// watchFiles follows the templates and the configuration.
func (s *session) watchFiles() {
	var sources []string
	for _, t := range s.cfg.Templates {
		if t.Source != "" {
			sources = append(sources, t.Source)
		}
	}
	s.watcher.Watch("templates", sources, func(path string) { s.engine.Reread(s.ctx, path) })
	s.watcher.Watch("config", s.flags.configs, func(string) { s.configChanged() })
}

func (s *session) configChanged() {
	select {
	case s.reload <- struct{}{}:
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

// checkConfig looks whether the configuration changed between being read and being
// watched.
func (s *session) checkConfig() {
	if slices.ContainsFunc(s.flags.configs, isStream) {
		return // it can be read only once
	}
	if now, err := s.flags.load(); err != nil || !reflect.DeepEqual(now, s.cfg) {
		s.configChanged()
	}
}

// retry is how the scheduler is to ask again.
func retry(r config.Retry) watch.Retry {
	out := watch.Retry{Attempts: r.Attempts, Backoff: r.Backoff, MaxBackoff: r.MaxBackoff}
	if !r.Enabled {
		out.Attempts = -1
	}
	return out
}

// noDestination is the error for a template that has nowhere to go.
func noDestination(source string) error {
	return fmt.Errorf("the template %s has no destination: give one (-template source:destination), or use -dry", source)
}

// errNoTemplates is the error for a configuration without templates.
var errNoTemplates = errors.New("there is no template: give one with -template source:destination:command, or a file with -config")
