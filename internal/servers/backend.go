package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// drainTime bounds how long Stop waits for the requests of a backend.
const drainTime = 10 * time.Second

// HTTPBackend is an HTTP server that answers every request with its ID in the
// body and in the header X-Backend. /health answers 200, or 503 after
// SetHealthy(false), and is not counted.
type HTTPBackend struct {
	ID   string
	Addr string // "127.0.0.1:22001"
	Port int

	server   *http.Server
	requests atomic.Int64
	sick     atomic.Bool
	delay    atomic.Int64 // a time.Duration
	served   chan struct{}
}

// StartHTTPBackend starts a backend on a free port of 127.0.0.1.
func StartHTTPBackend(id string) (*HTTPBackend, error) {
	listener, port, err := listen()
	if err != nil {
		return nil, fmt.Errorf("start backend %s: %w", id, err)
	}
	b := &HTTPBackend{ID: id, Addr: loopback(port), Port: port, served: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("/", b.answer)
	mux.HandleFunc("/health", b.health)
	b.server = &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() {
		defer close(b.served)
		_ = b.server.Serve(listener) // ends with ErrServerClosed
	}()
	return b, nil
}

func (b *HTTPBackend) answer(w http.ResponseWriter, r *http.Request) {
	b.requests.Add(1)
	if delay := time.Duration(b.delay.Load()); delay > 0 {
		select {
		case <-time.After(delay):
		case <-r.Context().Done():
			return
		}
	}
	w.Header().Set("X-Backend", b.ID)
	fmt.Fprintln(w, b.ID)
}

func (b *HTTPBackend) health(w http.ResponseWriter, _ *http.Request) {
	if b.sick.Load() {
		http.Error(w, b.ID+" is sick", http.StatusServiceUnavailable)
	}
}

// Requests gives how many requests have arrived, without those to /health.
func (b *HTTPBackend) Requests() int64 { return b.requests.Load() }

// SetHealthy chooses what /health answers.
func (b *HTTPBackend) SetHealthy(healthy bool) { b.sick.Store(!healthy) }

// SetDelay lets each answer take that long.
func (b *HTTPBackend) SetDelay(delay time.Duration) { b.delay.Store(int64(delay)) }

// Stop takes no new connection, finishes the requests that run, and returns when
// they are done.
func (b *HTTPBackend) Stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	err := b.server.Shutdown(ctx)
	if err != nil {
		err = fmt.Errorf("stop backend %s: %w", b.ID, errors.Join(err, b.server.Close()))
	}
	<-b.served
	return err
}

// Kill closes all connections at once, as a crash would.
func (b *HTTPBackend) Kill() {
	_ = b.server.Close()
	<-b.served
}

// listen opens a free port of 127.0.0.1.
func listen() (net.Listener, int, error) {
	port, err := FreePort()
	if err != nil {
		return nil, 0, err
	}
	listener, err := net.Listen("tcp4", loopback(port))
	return listener, port, err
}
