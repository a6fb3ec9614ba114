package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// h2 gives the versions of HTTP that gRPC without TLS takes.
func h2() *http.Protocols {
	p := &http.Protocols{}
	p.SetUnencryptedHTTP2(true)
	return p
}

// startGRPC starts what answers as a gRPC server does, with its name.
func startGRPC(t *testing.T, name string) (port int) {
	t.Helper()
	port, err := servers.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Protocols: h2(), ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // a server that does not read it resets the stream
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status")
		_, _ = io.WriteString(w, name+" "+r.Host)
		w.Header().Set("Grpc-Status", "0")
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return port
}

// Calls over one connection go to all instances of a gRPC service, with their trailers.
func TestShippedGRPC(t *testing.T) {
	t.Parallel()
	l := &live{gateway: newGateway(t), consul: servers.RunConsul(t, servers.ConsulOptions{})}
	for _, id := range []string{"a", "b"} {
		l.register(&api.AgentServiceRegistration{ID: id, Name: "greeter", Port: startGRPC(t, id), Tags: []string{"grpc"}})
	}
	l.start(append([]string{"-template", "@nginx/gateway.conf:" + l.path("nginx.conf")}, l.vars("@nginx/gateway.conf")...)...)
	client := &http.Client{Transport: &http.Transport{Protocols: h2(), DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", l.ports["grpc"]))
	}}}
	defer client.CloseIdleConnections()
	seen := map[string]int{}
	call := func() error {
		req, err := http.NewRequestWithContext(t.Context(), "POST", "http://greeter.example.com/hello.Greeter/Say", nil)
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/grpc")
		req.Header.Set("TE", "trailers")
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err == nil && (resp.StatusCode != 200 || resp.Trailer.Get("Grpc-Status") != "0") {
			err = fmt.Errorf("status %d, %v: %s", resp.StatusCode, resp.Trailer, body)
		}
		seen[string(body)]++
		return err
	}
	servers.Eventually(t, 30*time.Second, func() error {
		if err := call(); err != nil || len(seen) < 2 {
			return fmt.Errorf("got %v, %v", seen, err)
		}
		return nil
	})
	clear(seen)
	for range 20 {
		if err := call(); err != nil {
			t.Fatal(err)
		}
	}
	if seen["a greeter.example.com"] != 10 || seen["b greeter.example.com"] != 10 {
		t.Errorf("got %v", seen)
	}
}
