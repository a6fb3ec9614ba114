package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/consul/api"
	"golang.org/x/sync/errgroup"
)

// floor is what no program can be faster than.
type floor struct {
	asked   []time.Duration // PUT to the answer of a bare blocking query
	written []time.Duration // and a file of this length is in place
}

// floor measures a blocking query of one service that this process holds itself, with changes of just
// that service, and what it takes to replace a file then.
func (p scalePlan) floor(ctx context.Context, catalog *registry, dir string) (f floor, err error) {
	name := newInstance(0, 0, 0).Service
	entries, meta, err := catalog.client.Health().Service(name, "", true, nil)
	if err != nil {
		return f, err
	}
	content := bytes.Repeat([]byte("  server 10.0.0.10:10000 max_fails=3 fail_timeout=60;\n"), catalog.lines())
	for range min(p.changes, 100) {
		var waited errgroup.Group
		var arrived time.Time
		index := meta.LastIndex
		waited.Go(func() (err error) {
			query := (&api.QueryOptions{WaitIndex: index, AllowStale: true}).WithContext(ctx)
			entries, meta, err = catalog.client.Health().Service(name, "", true, query)
			arrived = time.Now()
			return err
		})
		pause(ctx, time.Duration(float64(time.Second)/p.rate)) // until it is held
		start := time.Now()
		if err := catalog.register(0, len(f.asked)%len(entries), catalog.port()); err != nil {
			return f, err
		}
		if err := waited.Wait(); err != nil {
			return f, err
		}
		f.asked = append(f.asked, arrived.Sub(start))
		begun := time.Now()
		if err := replace(filepath.Join(dir, "floor"), content); err != nil {
			return f, err
		}
		f.written = append(f.written, arrived.Sub(start)+time.Since(begun))
	}
	return f, nil
}

// replace puts a file in place as both programs do: written beside it, synced, and renamed.
func replace(path string, content []byte) error {
	file, err := os.Create(path + ".new")
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
