package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// worker is a process of the program in the directory worker.
type worker struct {
	id    string // "worker-127.0.0.2"
	addr  string
	key   string // of its entry
	load  string // path of its load file
	child *child
}

// startWorker starts an idle worker on 127.0.0.n.
func (w *world) startWorker(ctx context.Context, n int) (*worker, error) {
	port, err := servers.FreePort()
	if err != nil {
		return nil, err
	}
	ip := fmt.Sprintf("127.0.0.%d", n)
	k := &worker{id: "worker-" + ip, addr: net.JoinHostPort(ip, strconv.Itoa(port))}
	k.key, k.load = "worker/"+k.addr, filepath.Join(w.dir, k.id+".load")
	if err := k.setLoad(0); err != nil {
		return nil, err
	}
	if err := w.runWorker(ctx, k); err != nil {
		return nil, err
	}
	w.cleanup(func() error { return k.child.stop() })
	return k, nil
}

// runWorker starts the process of a worker, perhaps anew, and returns when it answers.
func (w *world) runWorker(ctx context.Context, k *worker) (err error) {
	k.child, err = startChild(w.dir, k.id, w.worker, "-address", k.addr, "-consul", w.consul.HTTPAddr,
		"-update", updateTime.String(), "-check", checkTime.String(), "-load-file", k.load)
	if err != nil {
		return err
	}
	ctx, release := k.child.bound(ctx)
	defer release()
	err = servers.Wait(ctx, func() error {
		_, err := servers.Get(ctx, servers.LoadOptions{Addr: k.addr, Path: "/status"})
		return err
	})
	if err != nil {
		return fmt.Errorf("start %s: %w\n%s", k.id, errors.Join(err, k.child.stop()), k.child.said())
	}
	return nil
}

// setLoad is what the worker will tell from its next update on.
func (k *worker) setLoad(load int) error {
	beside := k.load + ".new"
	if err := os.WriteFile(beside, []byte(strconv.Itoa(load)), 0o644); err != nil {
		return err
	}
	return os.Rename(beside, k.load)
}

// entry gives the entry of a key, nil when there is none, with the index of its last change.
func (w *world) entry(ctx context.Context, key string) (*api.KVPair, error) {
	pair, _, err := w.consul.Client.KV().Get(key, (&api.QueryOptions{}).WithContext(ctx))
	return pair, err
}

// updated waits until the entry is another one than that with the index, and gives its index.
func (w *world) updated(ctx context.Context, key string, index uint64) (uint64, error) {
	err := servers.Wait(ctx, func() error {
		pair, err := w.entry(ctx, key)
		if err == nil && (pair == nil || pair.ModifyIndex == index) {
			err = fmt.Errorf("the key %s does not change", key)
		}
		if err == nil {
			index = pair.ModifyIndex
		}
		return err
	})
	return index, err
}

// stranger is a worker that somebody else has made, who may write anything to its entry.
type stranger struct {
	*servers.HTTPBackend
	consul *api.Client
	key    string
}

func (w *world) startStranger(ctx context.Context) (*stranger, error) {
	backend, err := servers.StartHTTPBackend("worker-127.0.0.1")
	if err != nil {
		return nil, err
	}
	w.cleanup(backend.Stop)
	s := &stranger{backend, w.consul.Client, "worker/" + backend.Addr}
	registration := &api.AgentServiceRegistration{ID: s.ID, Name: "worker", Address: "127.0.0.1", Port: s.Port}
	err = w.consul.Client.Agent().ServiceRegisterOpts(registration, api.ServiceRegisterOpts{}.WithContext(ctx))
	if err != nil {
		return nil, fmt.Errorf("register %s: %w", s.ID, err)
	}
	return s, nil
}

// write writes its entry.
func (s *stranger) write(ctx context.Context, text string) error {
	_, err := s.consul.KV().Put(&api.KVPair{Key: s.key, Value: []byte(text)}, (&api.WriteOptions{}).WithContext(ctx))
	return err
}

// told gives an entry as it should be.
func told(load int, at time.Time) string { return fmt.Sprintf(`{"load":%d,"ts":%d}`, load, at.Unix()) }

// leave takes it out of Consul, with its entry.
func (s *stranger) leave(ctx context.Context) error {
	if err := s.consul.Agent().ServiceDeregisterOpts(s.ID, (&api.QueryOptions{}).WithContext(ctx)); err != nil {
		return fmt.Errorf("deregister %s: %w", s.ID, err)
	}
	_, err := s.consul.KV().Delete(s.key, (&api.WriteOptions{}).WithContext(ctx))
	return err
}
