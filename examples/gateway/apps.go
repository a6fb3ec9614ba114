package main

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// backend is what runs in a container of httpbackend: it answers with its name.
func backend(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, name) }
}

// front is what runs in a container of httpfront: for each request it finds an
// httpbackend through the Consul agent of its node, by DNS or, on /api, by the API.
// It answers with both names, as in "httpfront-1 httpbackend-2".
func front(name string, agent *servers.Consul, fallbacks *atomic.Int64) http.HandlerFunc {
	dns, api := keepLast(byDNS(agent), fallbacks), keepLast(byAPI(agent), fallbacks)
	return func(w http.ResponseWriter, r *http.Request) {
		find := dns
		if r.URL.Path == "/api" {
			find = api
		}
		answer, err := call(r.Context(), find, "httpbackend")
		if err != nil {
			http.Error(w, name+": "+err.Error(), http.StatusBadGateway)
			return
		}
		fmt.Fprintln(w, name, answer)
	}
}

// call sends a request to an instance of a service.
func call(ctx context.Context, find lookup, service string) (string, error) {
	addr, err := find(ctx, service)
	if err != nil {
		return "", err
	}
	return servers.Get(ctx, servers.LoadOptions{Addr: addr, Timeout: 5 * time.Second})
}
