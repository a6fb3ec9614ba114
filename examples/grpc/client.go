package main

import (
	"context"
	_ "embed"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/stats"
)

// siteName is what clients ask for.
const siteName = "hello.example.com"

// serviceConfig has calls repeated that a server may not have answered, see README.md.
//
//go:embed service-config.json
var serviceConfig string

// client is a channel to nginx: one connection at a time, for all of its calls.
type client struct {
	*grpc.ClientConn
	connections atomic.Int64 // so far
}

// dialNginx makes a client that connects at its first call. Without the policy a call is
// repeated only when no server has seen it for sure (gRPC calls that a transparent
// retry).
func dialNginx(addr, host string, policy bool) (c *client, err error) {
	c = &client{}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithAuthority(host), // by which nginx finds the service
		grpc.WithStatsHandler(c),
		grpc.WithDefaultServiceConfig(serviceConfig),
	}
	if !policy {
		options = append(options, grpc.WithDisableRetry())
	}
	c.ClientConn, err = grpc.NewClient("passthrough:///"+addr, options...)
	return c, err
}

// call makes one unary call.
func (c *client) call() (o outcome) {
	ctx, cancel := context.WithTimeout(context.Background(), callTime)
	defer cancel()
	r := &repeats{}
	start := time.Now()
	answer, err := say(context.WithValue(ctx, repeatsKey{}, r), c, "hello")
	server, _, _ := strings.Cut(answer, " ")
	return outcome{server: server, err: err, took: time.Since(start), repeats: *r}
}

// repeats counts how often a call was repeated. It travels in the context of the call.
type repeats struct {
	begun       bool
	policy      int // as the policy says
	transparent int // by gRPC itself
}

type repeatsKey struct{}

func (c *client) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (c *client) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleRPC sees each attempt of a call begin.
func (c *client) HandleRPC(ctx context.Context, s stats.RPCStats) {
	begin, ok := s.(*stats.Begin)
	r, counted := ctx.Value(repeatsKey{}).(*repeats)
	switch {
	case !ok || !counted:
	case begin.IsTransparentRetryAttempt:
		r.transparent++
	case r.begun:
		r.policy++
	default:
		r.begun = true
	}
}

// HandleConn counts connections.
func (c *client) HandleConn(_ context.Context, s stats.ConnStats) {
	if _, ok := s.(*stats.ConnBegin); ok {
		c.connections.Add(1)
	}
}
