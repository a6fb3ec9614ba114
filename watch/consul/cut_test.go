package consul_test

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ctmpl/ctmpl/watch"
	"github.com/ctmpl/ctmpl/watch/consul"
)

// What a proxy in between ends is no failure, and after some times queries wait for less.
func TestProxyThatCutsWaits(t *testing.T) {
	t.Parallel()
	const limit = 1200 * time.Millisecond
	for name, cut := range map[string]http.HandlerFunc{
		"status": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "time-out", http.StatusGatewayTimeout) },
		"end":    hijack(func(net.Conn) {}),
		"reset":  hijack(func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) }),
		"middle": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "[")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var value, waited atomic.Int64
			proxy := httptestServer(t, func(w http.ResponseWriter, r *http.Request) {
				if wait, err := time.ParseDuration(r.FormValue("wait")); err == nil {
					waited.Store(int64(wait))
					time.Sleep(min(wait, limit))
					if wait > limit {
						cut(w, r)
						return
					}
				}
				w.Header().Set("X-Consul-Index", "7")
				fmt.Fprintf(w, `[{"Value":"%s"}]`, []string{"MA==", "MQ==", "Mg==", "Mw==", "NA=="}[value.Load()])
			})
			log := &problems{}
			src := newSource(t, consul.Config{Address: proxy.Listener.Addr().String(), Log: slog.New(log)})
			cuts, held := 0, time.Minute
			for ; held >= limit && cuts < 20; cuts++ { // three, unless this machine is too busy to measure them
				now := cuts % 5
				value.Store(int64(now))
				if got := fetch(t, src, lookup("a"), 7, time.Minute); got.Value != (watch.Lookup{Found: true, Value: fmt.Sprint(now)}) {
					t.Errorf("got %v, want what is there after wait %d", got.Value, now)
				}
				held = time.Duration(waited.Load())
			}
			if held >= limit || held < limit/2 {
				t.Errorf("a query is held for %s, want somewhat less than %s", held, limit)
			}
			if n := len(log.lines); n < 1 || n > cuts/3 || !strings.Contains(log.lines[0], "ends queries that wait") {
				t.Errorf("want one line after three times, got %q after %d", log.lines, cuts)
			}
		})
	}
}

// An agent that goes away while a query waits is gone: the proxy before it says so.
func TestAgentThatEndsIsNotCutOff(t *testing.T) {
	t.Parallel()
	a := newAgent(t, map[string]reply{
		"/v1/kv/a?index=7&wait=60000ms": {do: func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(1100 * time.Millisecond)
			hijack(func(net.Conn) {})(w, r)
		}},
		"/v1/kv/a": {status: 502, body: "bad gateway"},
	})
	_, err := try(t, a.source(consul.Config{}), lookup("a"), 7, time.Minute)
	if err == nil || err.Error() != "HTTP status 502: bad gateway" {
		t.Errorf("got %v", err)
	}
}
