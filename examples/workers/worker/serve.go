package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// endTime is how long Consul and the requests under way may take at the end.
const endTime = 10 * time.Second

// serve is the life of a worker, which ends with ctx.
func serve(ctx context.Context, o options, log io.Writer) error {
	m, err := newMember(o)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", o.address)
	if err != nil {
		return err
	}
	server, served := start(listener, m, o)
	err = m.join(ctx)
	if err == nil {
		m.update(ctx, o.update, log)
	}
	// What ctx was for is over; this is what comes after it.
	end, cancel := context.WithTimeout(context.Background(), o.drain+endTime)
	defer cancel()
	if err == nil {
		err = m.leave(end)
		wait(end, o.drain)
	} else {
		_ = m.leave(end) // Consul may have the worker, though it has not said so
	}
	err = errors.Join(err, server.Shutdown(end))
	<-served
	return errors.Join(err, m.clear(end))
}

// start answers requests until the server is shut down.
func start(listener net.Listener, m *member, o options) (*http.Server, chan struct{}) {
	mux := http.NewServeMux()
	mux.HandleFunc("/status", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, m.entry()) })
	mux.Handle("/", m.meter.count(work(m.id, o.work)))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener) // ends with ErrServerClosed
	}()
	return server, served
}

// work is where a worker of your own does what it is for.
func work(id string, takes time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		wait(r.Context(), takes)
		fmt.Fprintln(w, id)
	}
}

// wait waits, and no longer than ctx lasts.
func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
