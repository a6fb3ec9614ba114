package funcs

import (
	"slices"
	"strings"
	"testing"

	"github.com/ctmpl/ctmpl/watch"
)

var injections = []string{
	`1; } server { listen 18902; location / { root /; } } upstream v { server 127.0.0.1:1`, `1 max_fails=0 backup; server 203.0.113.9:80`,
	`10.0.0.1:1 weight=100; server 10.0.0.2`, "unix:/var/run/docker.sock", "169.254.169.254", "a.com bank.example.com", "~.*", "~^(a+)+$", "*.com",
	`a.com; location /etc/ { alias /etc/; } set $x 1`, "$http_authorization", "a\r\nSet-Cookie: x=1", `a"; return 302 https://evil.test; add_header Y "b`,
	"/../etc", "/a b", "a\nserver {}", "include /etc/passwd", "\x00", "{{ . }}", "#", `\`, "'", "é",
}

func TestBadMetadata(t *testing.T) {
	t.Parallel()
	bad := map[string][]string{
		"nginx_host":         {"", "a b", "WWW.Example.com", "-a", "a..b", "*.example.com", "_", strings.Repeat("a", 64), "a,,b", ",", "a:80", "a_b"},
		"nginx_path":         {"", "api", "/a//b", "/a/../b", "/a?b", "= /a", "/" + strings.Repeat("a", 1001), "@x"},
		"nginx_listen":       {"", "0", "-1", "65536", "abc", "80.5", "1e3", "[::]:80", "127.0.0.1:80", "99999999999999999999"},
		"nginx_lb":           {"", "fair", "least_conn;", "hash", "hash $http_", "hash $document_root", "ip_hash x", "random two", "HASH uri", "hash $remote_addr$uri"},
		"nginx_keepalive":    {"", "-1", "1025", "abc", "1.5", "16k"},
		"nginx_tls":          {"", "web", "kv:", "kv:../x", "file:/etc/passwd", "file:..", "file:.x", "kv:a/b", "KV:web", "kv:A"},
		"nginx_weight":       {"", "0", "-1", "1001", "abc", "1.5", "99999999999"},
		"nginx_max_conns":    {"", "-1", "abc", "1.5", "2147483648"},
		"nginx_max_fails":    {"", "-1", "abc", "1.5", "2147483648"},
		"nginx_fail_timeout": {"", "-1s", "abc", "1.0001s", "1000000h", "5 s", "5s;", "250ms", "1.5s"},
		"nginx_backup":       {"", "yes", "on", "2"},
	}
	for key, values := range bad {
		for _, value := range append(values, injections...) {
			w := newWorld(t)
			w.add("web", http1, key, value)
			w.add("other", http1)
			r := w.routes()
			if value == "" {
				w.noted()
				w.want("sites", sites(r), []string{"80 other.example.com/ other", "80 web.example.com/ web"})
				continue
			}
			if slices.Contains(instanceKeys, key) {
				w.want(key+" "+value, sites(r), []string{"80 other.example.com/ other", "80 web.example.com/ web"})
				w.noted(`service "web", instance "web-1" on node "n1" is left out: ` + key)
				if n := len(r.Upstreams[1].Servers); n != 0 {
					t.Errorf("%s = %q: there are %d servers", key, value, n)
				}
			} else if slices.Contains([]string{metaHost, metaPath, metaListen}, key) {
				w.want(key+" "+value, sites(r), []string{"80 other.example.com/ other"})
				w.noted(`service "web" is left out: ` + key)
			} else {
				want := []string{"80 other.example.com/ other", "80 web.example.com/ 503"}
				if key == metaTLS {
					want = append(want, "443 ssl http2 web.example.com/ 503")
				}
				w.want(key+" "+value, sites(r), want)
				w.noted(`service "web" is not served, and keeps its place: ` + key)
			}
			if s := strings.Join(w.notes, " "); len(value) > 6 && strings.Contains(s, value) {
				t.Errorf("%s: the note shows the value: %s", key, s)
			}
		}
	}
}

func TestGoodMetadata(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.add("web", http1, "nginx_lb", "least_conn", "nginx_keepalive", "0", "nginx_weight", "30", "nginx_max_conns", "5", "nginx_max_fails", "3", "nginx_fail_timeout", "1m30s")
	b := w.add("web", http1, "nginx_lb", "least_conn", "nginx_keepalive", "0", "nginx_backup", "true", "nginx_max_conns", "0", "nginx_max_fails", "0", "nginx_fail_timeout", "5")
	c := w.add("web", http1, "nginx_lb", "least_conn", "nginx_keepalive", "0")
	b.Weights.Passing, c.Weights.Passing, c.Weights.Warning, c.Status, c.Address = 20, 50, 10, watch.StatusWarning, "2001:db8::1"
	up := w.routes().Upstreams[0]
	w.noted()
	w.want("servers", servers1(up), []string{
		"10.0.0.1:8001 weight=3 max_conns=5 max_fails=3 fail_timeout=90s", "10.0.0.1:8002 weight=2 max_fails=0 fail_timeout=5s backup", "[2001:db8::1]:8003",
	})
	if up.Balance != "least_conn;" || up.Keepalive != 0 || up.Zone != "http._route.web 64k" {
		t.Errorf("got %+v", up)
	}
	a.Status, c.Status = watch.StatusCritical, watch.StatusCritical
	w.services["web"] = slices.Clone(w.services["web"])
	w.want("only a backup is up", servers1(w.routes().Upstreams[0]), []string{"10.0.0.1:8002 max_fails=0 fail_timeout=5s"})
}

func TestBalance(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]string{
		"round_robin": {"", ""}, "least_conn": {"least_conn;", "least_conn;"}, "ip_hash": {"ip_hash;", "hash $remote_addr consistent;"},
		"random": {"random two least_conn;", "random two least_conn;"}, "hash $remote_addr": {"hash $remote_addr consistent;", "hash $remote_addr consistent;"},
		"hash uri": {"hash $uri consistent;", "!"}, "hash $cookie_session consistent": {"hash $cookie_session consistent;", "!"},
		"hash http_x_user": {"hash $http_x_user consistent;", "!"}, "hash arg_id": {"hash $arg_id consistent;", "!"},
	} {
		b, err := balanceOf(text)
		if err != nil || string(b.http()) != want[0] {
			t.Errorf("%s: got %s, %v", text, b.http(), err)
		}
		stream, err := b.stream()
		if err != nil {
			stream = "!"
		}
		if string(stream) != want[1] {
			t.Errorf("%s: in stream got %s, %v", text, stream, err)
		}
	}
	w := newWorld(t)
	w.add("web", http1, "nginx_lb", "ip_hash", "nginx_backup", "true")
	w.add("web", http1, "nginx_lb", "ip_hash")
	w.add("db-9999", tcp1, "nginx_lb", "hash uri")
	if n := len(w.routes().Upstreams[0].Servers); n != 1 {
		t.Errorf("there are %d servers", n)
	}
	w.noted("nginx has no backup with nginx_lb ip_hash", `service "db-9999" is not served by TCP, and keeps its place: nginx_lb`)
}

func TestOddAddresses(t *testing.T) {
	t.Parallel()
	for _, address := range append([]string{"", "web.internal", "0.0.0.0", "::", "fe80::1%eth0", "224.0.0.1", "0", "2130706433"}, injections...) {
		w := newWorld(t)
		w.add("web", http1).Address = address
		w.add("web", http1)
		if n := len(w.routes().Upstreams[0].Servers); n != 1 {
			t.Errorf("%q: there are %d servers", address, n)
		}
		w.noted(`instance "web-1" on node "n1" is left out: `)
	}
	w := newWorld(t)
	w.add("web", http1).Port = 0
	w.routes()
	w.noted("want a port, 1 to 65535")
}

func TestInstancesThatDisagree(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.add("web", http1, "nginx_host", "old.test")
	w.add("web", http1, "nginx_host", "new.test", "nginx_hots", "x")
	w.want("sites", sites(w.routes()), []string{"80 old.test/ web"})
	w.noted(`service "web": its instances do not agree on nginx_host: that of the oldest counts, "web-1" on node "n1"`)
	w.services["web"] = w.services["web"][1:]
	w.want("sites", sites(w.routes()), []string{"80 new.test/ web"})
	w.noted(`service "web": there is no key "nginx_hots" of metadata: did you mean "nginx_host"?`)
}

func TestInstancesWithoutTheTag(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.add("web", []string{"debug"})
	w.add("web", http1)
	w.add("web", []string{"tcp", "http"}, "nginx_listen", "")
	r := w.routes()
	w.want("servers", servers1(r.Upstreams[0]), []string{"10.0.0.1:8002", "10.0.0.1:8003"})
	w.noted(`service "web" is left out of TCP: it says no port`)
}

func TestBadVariables(t *testing.T) {
	t.Parallel()
	for name, values := range map[string][]string{
		"http_listen": {"", "0", "x", "127.0.0.1:80", "443"}, "https_listen": {"80"}, "grpc_listen": {"65536"}, "tls_listen": {"8080;"},
		"domain": {".com", "Example.com", "a b"}, "address": {"localhost", "127.0.0.1:80", "169.254.169.254"}, "serve": {"", "https", "http,"}, "ports": {"0-5", "9-5", "a"},
		"lb": {"fair", "hash uri"}, "max_fails": {"-1", "x"}, "fail_timeout": {"x", "250ms"}, "canary_by": {"", "x"}, "tls_dir": {"", "tls", "/etc/x;y"},
		"canary_keys": {"", "release", "/release/", "a\n/"}, "tls_keys": {"tls"},
		"workers": {"", "abc", "0", "-1", "auto;"}, "connections": {"", "0", "1"}, "open_files": {"x"}, "user": {"a;b", "a b c", "A"}, "pid": {"", "run", "/run/a b"},
		"error_log": {"", "off", "no", "syslog:x"}, "access_log": {"no", "", "stderr"}, "stream_log": {"/a;"}, "modules": {"x", "/a b"}, "temp_dir": {"tmp"},
		"shutdown_timeout": {"", "x"}, "connect_timeout": {"1y"}, "read_timeout": {""}, "stream_timeout": {"-1s"}, "keepalive_time": {"x"}, "max_body": {"", "1q", "999999999999g"},
		"hash_sizes": {"", "0", "None"}, "catch_all": {"", "x"}, "service": {"", "A b"}, "upstream": {"", "a/b"}, "listen": {"", "80; }", "a\nb"},
	} {
		for _, value := range values {
			bad := CheckVars(map[string]string{name: value})
			if len(bad) != 1 || !strings.HasPrefix(bad[0].Error(), "the variable ") {
				t.Errorf("%s = %q: got %v", name, value, bad)
			}
			if _, own := RouteVars()[name]; own {
				if _, err := newRouter(&Execution{}, Options{Vars: map[string]string{name: value}}).nginxRoutes(); err == nil {
					t.Errorf("%s = %q is taken for routes", name, value)
				}
			}
		}
	}
}

func TestGoodVariables(t *testing.T) {
	t.Parallel()
	for name, value := range RouteVars() {
		if bad := CheckVars(map[string]string{name: value}); len(bad) > 0 {
			t.Error(bad[0])
		}
	}
	for name, values := range map[string][]string{
		"workers": {"auto", "4"}, "open_files": {"", "65536"}, "user": {"", "www-data", "nginx nginx"}, "pid": {"/run/nginx.pid"}, "error_log": {"stderr", "syslog:server=10.0.0.1:514", "/dev/stderr"},
		"access_log": {"off", "syslog:server=unix:/dev/log,tag=nginx", "/var/log/nginx/access.log"}, "modules": {"", "/etc/nginx/modules-enabled/*.conf"}, "temp_dir": {"", "/tmp"},
		"shutdown_timeout": {"1h", "0"}, "max_body": {"0", "64m", "1024"}, "hash_sizes": {"on", "off", "no"}, "catch_all": {"true", "false", "yes"}, "service": {"web"}, "upstream": {"Web"},
		"listen": {"127.0.0.1:9191", "[::1]:80 reuseport", "unix:/run/x.sock", "8080"}, "ports": {"", "25", "1-65535"},
	} {
		for _, value := range values {
			if bad := CheckVars(map[string]string{name: value}); len(bad) > 0 {
				t.Error(bad[0])
			}
		}
	}
}

func TestZoneIsLargeEnough(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "64k", 32: "64k", 33: "128k", 1000: "2048k"} {
		if got := zoneSize(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}
