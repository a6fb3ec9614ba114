package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// container is an HTTP server on the address of a node, as a container whose port is
// published there.
type container struct {
	service
	node *servers.Consul // also the agent that it is registered with
	addr string          // "127.0.0.2:22001"

	checks atomic.Int64 // of Consul, so far
	server *http.Server
	served chan struct{}
}

// startContainer starts what svc describes, without address and port yet. It
// answers with what handler does, and on /health for Consul's check.
func startContainer(node *servers.Consul, svc service, handler http.HandlerFunc) (*container, error) {
	port, err := servers.FreePort()
	if err != nil {
		return nil, err
	}
	svc.address, svc.port = address(node), port
	c := &container{service: svc, node: node, addr: net.JoinHostPort(svc.address, strconv.Itoa(port)), served: make(chan struct{})}
	listener, err := net.Listen("tcp", c.addr)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", c.container, err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/health", func(http.ResponseWriter, *http.Request) { c.checks.Add(1) }) // 200
	mux.HandleFunc("/", handler)
	c.server = &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() {
		defer close(c.served)
		_ = c.server.Serve(listener) // ends with ErrServerClosed
	}()
	return c, nil
}

// address gives the IP address of a node.
func address(node *servers.Consul) string {
	host, _, _ := net.SplitHostPort(node.HTTPAddr)
	return host
}

// register tells the agent of the node. The check runs as often as Consul allows,
// and passes until it runs, as with registrator's SERVICE_CHECK_INITIAL_STATUS=passing:
// the container listens already.
func (c *container) register(ctx context.Context) error {
	return c.service.register(ctx, c.node, healthCheck("http://"+c.addr+"/health"))
}

func (c *container) deregister(ctx context.Context) error { return c.service.deregister(ctx, c.node) }

// stop takes no new connection and finishes the requests that run.
func (c *container) stop(ctx context.Context) error {
	err := c.server.Shutdown(ctx)
	if err != nil {
		err = fmt.Errorf("stop %s: %w", c.container, errors.Join(err, c.server.Close()))
	}
	<-c.served
	return err
}

// awaitCheck waits for the next check, so that the one after is a second away.
func (c *container) awaitCheck(ctx context.Context) error {
	before := c.checks.Load()
	return servers.Wait(ctx, func() error {
		if c.checks.Load() == before {
			return fmt.Errorf("no check of %s by Consul", c.container)
		}
		return nil
	})
}

// kill closes all connections at once, as a crash would.
func (c *container) kill() error {
	err := c.server.Close()
	<-c.served
	return err
}
