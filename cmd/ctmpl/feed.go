package main

import (
	"context"
	"reflect"

	"github.com/ctmpl/ctmpl/cmd/ctmpl/config"
	"github.com/ctmpl/ctmpl/watch"
	"github.com/ctmpl/ctmpl/watch/catalog"
	"github.com/ctmpl/ctmpl/watch/consul"
)

// catalogReaders is how many queries wait for a change of a catalog file at once.
// They cost no connection.
const catalogReaders = 10_000

// feed is a source with the scheduler that asks it. The daemon has one at a time.
type feed struct {
	name      string // for messages
	scheduler *watch.Scheduler
	catalog   *catalog.Source // nil when Consul is asked
	close     func()          // closes its connections, once the scheduler has ended
	cancel    context.CancelFunc
	done      chan struct{} // closed when the scheduler has ended
	err       error         // of its end; to be read after done
}

// newFeed makes the source that the configuration names. It asks nothing yet.
func (d *daemon) newFeed(cfg *config.Config) (*feed, error) {
	f := &feed{done: make(chan struct{})}
	opt := watch.Options{Hold: cfg.BlockQueryWait, Log: d.log, Retry: retry(cfg.Consul.Retry)}
	var src watch.Source
	if cfg.Catalog != "" {
		opened, err := catalog.Open(cfg.Catalog)
		if err != nil {
			return nil, &configError{err}
		}
		opt.Name, opt.Connections = "the catalog "+cfg.Catalog, catalogReaders
		f.catalog, f.close, src = opened, func() {}, opened
	} else {
		connection := clientConfig(cfg)
		connection.Log = d.log
		client, err := consul.New(connection)
		if err != nil {
			return nil, &configError{err}
		}
		opt.Name = "Consul at " + client.Addr()
		f.close, src = client.Close, client
	}
	f.name = opt.Name
	f.scheduler = watch.NewScheduler(src, d.store, opt)
	return f, nil
}

// start has the scheduler ask.
func (f *feed) start(ctx context.Context) {
	ctx, f.cancel = context.WithCancel(ctx)
	go func() {
		defer close(f.done)
		f.err = f.scheduler.Run(ctx)
	}()
}

// stop ends the scheduler and waits for it.
func (f *feed) stop() {
	f.cancel()
	<-f.done
	f.close()
}

// retry is how the scheduler is to ask again.
func retry(r config.Retry) watch.Retry {
	out := watch.Retry{Attempts: r.Attempts, Backoff: r.Backoff, MaxBackoff: r.MaxBackoff}
	if !r.Enabled {
		out.Attempts = -1
	}
	return out
}

// sameFeed tells whether two configurations ask the same source in the same way.
func sameFeed(a, b *config.Config) bool {
	return a.Catalog == b.Catalog && reflect.DeepEqual(a.Consul, b.Consul) && a.MaxStale == b.MaxStale && a.BlockQueryWait == b.BlockQueryWait &&
		a.Limits.Connections == b.Limits.Connections && a.Limits.RequestsPerSecond == b.Limits.RequestsPerSecond
}

// sameData tells whether the answers of one configuration's source are good for
// the other's: they ask the same place, if with other credentials.
func sameData(a, b *config.Config) bool {
	return a.Catalog == b.Catalog && a.Consul.Address == b.Consul.Address && a.Consul.Namespace == b.Consul.Namespace
}
