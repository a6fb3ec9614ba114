package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/ctmpl/ctmpl/watch/files"
)

// follow forwards until ctx ends, and keeps to what the files say. One that is missing is
// waited for.
func follow(ctx context.Context, o options, log *slog.Logger) error {
	f, err := newForwarder(o.sockets, o.timeout, log)
	if err != nil {
		return err
	}
	defer f.stop()
	l := &loader{options: o, forwarder: f, log: log, routes: map[string][]route{}}
	w := files.New(log)
	w.Watch("identity", []string{o.cert, o.roots}, func(string) { l.readIdentity() })
	w.Watch("routes", o.routes, l.readRoutes)
	l.readIdentity()
	for _, path := range o.routes {
		l.readRoutes(path)
	}
	w.Run(ctx)
	return nil
}

// loader reads the files. Of one that is bad the last good content stays.
type loader struct {
	options
	forwarder *forwarder
	log       *slog.Logger
	routes    map[string][]route // path → what it says
}

func (l *loader) readIdentity() {
	i, err := readIdentity(l.cert, l.options.roots)
	if err != nil {
		l.log.Warn("cannot use certificate or roots: waiting for them to change", "error", err)
		return
	}
	l.forwarder.identity.Store(i)
	l.log.Info("we are "+i.id.String(), "until", i.cert.Leaf.NotAfter.UTC().Format(time.RFC3339))
}

func (l *loader) readRoutes(path string) {
	routes, err := readRoutes(path)
	if err != nil {
		l.log.Warn("cannot use routes: waiting for them to change", "error", err)
		return
	}
	l.routes[path] = routes
	wanted := map[route]bool{}
	for _, routes := range l.routes {
		for _, r := range routes {
			wanted[r] = true
		}
	}
	l.forwarder.set(wanted)
}
