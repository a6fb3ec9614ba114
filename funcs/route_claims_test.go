package funcs

import (
	"strings"
	"testing"
)

// What is wrong with a service does not make room for another one.
func TestMistakesKeepThePlace(t *testing.T) {
	t.Parallel()
	for _, meta := range [][]string{{"nginx_tls", "kv:none"}, {"nginx_tls", "none"}, {"nginx_lb", "fair"}, {"nginx_keepalive", "many"}} {
		w := newWorld(t)
		w.add("bank", http1, append(meta, "nginx_host", "bank.test")...)
		w.add("thief", http1, "nginx_host", "bank.test")
		r := w.routes()
		if got := sites(r)[0]; got != "80 bank.test/ 503" || len(r.Upstreams) > 0 {
			t.Errorf("%s: got %s, %+v", meta, got, r.Upstreams)
		}
		w.noted(`service "bank" is not served, and keeps its place: `+meta[0], `service "thief" does not get bank.test/ on port 80`)
	}
	w := newWorld(t)
	w.add("db-9999", tcp1, "nginx_lb", "hash uri")
	w.add("thief", tcp1, "nginx_listen", "9999")
	w.want("streams", streams(w.routes()), []string{"9999 _nobody"})
}

// Who asks for TLS does not get a port without it.
func TestTCPHasNoTLS(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cert, key := ecPair(t)
	w.keys["nginx/tls/db"] = cert + key
	w.add("db-9999", tcp1, "nginx_tls", "kv:db")
	w.add("both", []string{"http", "tcp"}, "nginx_tls", "kv:db", "nginx_host", "both.test")
	r := w.routes()
	w.want("streams", streams(r), []string{"8443 both.test both", "9999 _nobody"})
	w.want("sites", sites(r), []string{"80 both.test/ redirect", "443 ssl http2 both.test/ both"})
	w.noted(`service "db-9999" is not served by TCP, and keeps its place: nginx_tls: `)
}

// A host is of one service on all ports: the older one. Others may have paths where that
// has it.
func TestHostsHaveAnOwner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cert, key := ecPair(t)
	w.keys["nginx/tls/web"] = cert + key
	w.add("web", http1, "nginx_host", "web.test")
	w.add("api", http1, "nginx_host", "web.test", "nginx_path", "/api")
	w.add("secure", http1, "nginx_host", "web.test", "nginx_path", "/x", "nginx_tls", "kv:web")
	w.add("rpc", grpc1, "nginx_host", "web.test")
	w.add("sni", tcp1, "nginx_host", "web.test")
	w.add("own", http1, "nginx_host", "web.test", "nginx_listen", "9000")
	w.add("both", []string{"http", "grpc"}, "nginx_host", "both.test")
	r := w.routes()
	w.want("sites", sites(r), []string{"80 both.test/ both", "80 web.test/ web", "80 web.test/api api", "80 web.test/x redirect", "50051 http2 both.test/ both grpc"})
	w.want("streams", streams(r), nil)
	w.noted(
		`service "secure" does not get web.test on port 443: service "web", which is older, has it`, `service "rpc" does not get web.test on port 50051: service "web"`,
		`service "sni" does not get web.test on port 8443: service "web"`, `service "own" does not get web.test on port 9000: service "web"`,
	)
}

// Files for one tag decide as those for all do, and say what is of theirs.
func TestAllFilesDecideAlike(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.add("db", tcp1, "nginx_listen", "9900")
	w.add("rpc", grpc1, "nginx_listen", "9900")
	w.add("web", http1, "nginx_host", "a.test")
	w.add("rpc2", grpc1, "nginx_host", "a.test", "nginx_path", "/x")
	w.add("bad", http1, "nginx_path", "x")
	w.want("grpc", sites(w.routes("grpc")), nil)
	w.noted(`service "rpc" does not get port 9900: service "db", which is older, has it for TCP`, `service "rpc2" does not get a.test on port 50051`)
	w.want("stream", streams(w.routes("tcp")), []string{"9900 db"})
	w.noted()
	w.want("http", sites(w.routes("http")), []string{"80 a.test/ web"})
	w.noted(`service "bad" is left out`)
	if r := w.routes("http"); len(r.Upstreams) != 1 || len(r.StreamUpstreams) != 0 || len(r.Listens) != 1 {
		t.Errorf("got %+v", r)
	}
	if r := w.routes("tcp"); len(r.Upstreams) != 0 || len(r.StreamUpstreams) != 1 || len(r.Listens) != 0 {
		t.Errorf("got %+v", r)
	}
	if _, err := w.router.nginxRoutes("https"); err == nil || !strings.Contains(err.Error(), "want http, grpc and tcp") {
		t.Errorf("got %v", err)
	}
}

func TestServedTags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vars["serve"], w.vars["tag_prefix"] = "http, grpc", "edge-"
	w.add("db", []string{"edge-tcp"}, "nginx_listen", "9900")
	w.add("rpc", []string{"edge-grpc"}, "nginx_listen", "9900")
	w.add("nomad", http1)
	w.add("web", []string{"edge-http"})
	r := w.routes()
	w.want("sites", sites(r), []string{"80 web.example.com/ web"})
	w.want("streams", streams(r), nil)
	w.noted(`service "rpc" does not get port 9900: service "db"`)
}

func TestPortsOfServices(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"": "(none)", "5000-5999,25": "(5000-5999,25)", "default": "(9443,9900-9999)"} {
		w := newWorld(t)
		w.vars["ports"] = text
		if text == "default" {
			delete(w.vars, "ports")
			w.add("front-9443", tcp1)
			w.add("front-9999", tcp1)
		}
		w.add("consul", tcp1, "nginx_listen", "8500")
		w.add("two", []string{"http", "tcp"}, "nginx_listen", "80")
		r := w.routes()
		if text == "default" {
			w.want("streams", streams(r), []string{"9443 front-9443", "9999 front-9999"})
		}
		w.noted(
			`service "consul" does not get port 8500: it is none of the variable ports `+want+": add it there if nothing else on the host has it",
			`service "two" does not get port 80: it is that of the variable http_listen`,
		)
	}
	w := newWorld(t)
	w.add("two", []string{"http", "tcp"}, "nginx_listen", "9999")
	w.routes()
	w.noted(`service "two" does not get port 9999: it has that for http, and a port is for one thing: register what is to be there for TCP as a service of its own`)
}

// An instance that is nginx itself would make a circle of each request.
func TestInstancesThatAreNginx(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		listen, address string
		port            int
		tag             string
		here            bool
	}{
		{"", "127.0.0.1", 80, "http", true}, {"", "127.0.0.2", 443, "http", true}, {"", "127.0.0.1", 8080, "http", false}, {"", "127.0.0.1", 9999, "tcp", true},
		{"", "127.0.0.1", 9999, "http", false}, {"", "::1", 80, "http", false}, {"::", "::1", 80, "http", true}, {"::", "127.0.0.1", 80, "http", true},
		{"10.0.0.1", "10.0.0.1", 80, "http", true}, {"10.0.0.1", "127.0.0.1", 80, "http", false}, {"2001:db8::1", "2001:db8::1", 80, "http", true},
	} {
		w := newWorld(t)
		w.vars["address"] = c.listen
		i := w.add("app-9999", []string{c.tag})
		i.Address, i.Port = c.address, c.port
		r := w.routes()
		if n := len(append(r.Upstreams, r.StreamUpstreams...)[0].Servers); (n == 0) != c.here {
			t.Errorf("%+v: there are %d servers", c, n)
		}
		if c.here {
			w.noted(`instance "app-9999-1" on node "n1" is left out: its address is that of nginx itself`)
		} else {
			w.noted()
		}
	}
}

// The points of hash are dear: weights are scaled down for it, coprime ones as well.
func TestWeightsWithHash(t *testing.T) {
	t.Parallel()
	for lb, want := range map[string][]string{
		"hash uri":    {"10.0.0.1:8001 weight=20", "10.0.0.1:8002 weight=10", "10.0.0.1:8003"},
		"round_robin": {"10.0.0.1:8001 weight=997", "10.0.0.1:8002 weight=499"},
	} {
		w := newWorld(t)
		w.add("web", http1, "nginx_lb", lb, "nginx_weight", "997")
		w.add("web", http1, "nginx_lb", lb, "nginx_weight", "499")
		w.add("web", http1, "nginx_lb", lb, "nginx_weight", "1")
		if lb == "round_robin" {
			want = append(want, "10.0.0.1:8003")
		}
		w.want(lb, servers1(w.routes().Upstreams[0]), want)
	}
}
