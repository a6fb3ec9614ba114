package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// hostile are values that anybody may write into Consul, with what they are meant to
// bring into the configuration. Each of the first ones passes nginx -t where it is
// printed as it is.
var hostile = map[string]string{
	`1; } server { listen 18902; location / { root /; } } upstream v { server 127.0.0.1:1`: "18902",
	`1 max_fails=0 backup; server 203.0.113.9:80`:                                          "203.0.113.9",
	`10.0.0.1:1 weight=100; server 203.0.113.8`:                                            "203.0.113.8",
	`unix:/var/run/docker.sock`:                                                            "docker.sock",
	`169.254.169.254`:                                                                      "server 169.254",
	`a.com bank.example.net`:                                                               "bank.example.net",
	`~^(a+)+$`:                                                                             "(a+)",
	`*.example.net`:                                                                        "*.example.net",
	`a.com; location /etc/ { alias /etc/; } set $x 1`:                                      "alias",
	`$http_authorization`:                                                                  "http_authorization",
	"a\r\nSet-Cookie: x=1":                                                                 "Set-Cookie",
	`a"; return 302 https://evil.test; add_header Y "b`:                                    "evil.test",
	"x\nserver { listen 18903; }":                                                          "18903",
	"include /etc/passwd":                                                                  "passwd",
	"/../../etc/shadow":                                                                    "shadow",
	"kv:../../secret":                                                                      "../secret",
	"file:/etc/ssl/private/key":                                                            "ssl/private",
	"hash $http_cookie$realpath_root":                                                      "realpath_root",
	strings.Repeat("9", 300):                                                               "99999999",
	"{{ key \"secret\" }}":                                                                 "{{",
	"default":                                                                              "\n    default s",
	"\\":                                                                                   `\`,
	"# x\u2028y":                                                                           "\u2028",
}

// Whatever stands in names, IDs, addresses, tags and metadata, and in all of them at once,
// nginx takes the file, and nothing of it does what it was meant to.
func TestShippedGatewayOfHostileServices(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	var services []map[string]any
	add := func(name string, change func(map[string]any, map[string]string)) {
		meta := map[string]string{}
		s := map[string]any{"name": name, "id": fmt.Sprintf("s%d", len(services)), "tags": []string{"http", "grpc", "tcp"}, "port": 8000, "meta": meta}
		change(s, meta)
		services = append(services, s)
	}
	keys := []string{
		"nginx_host", "nginx_path", "nginx_listen", "nginx_lb", "nginx_keepalive", "nginx_tls", "nginx_weight", "nginx_max_conns",
		"nginx_max_fails", "nginx_fail_timeout", "nginx_backup", "version", "nginx_other",
	}
	kv := map[string]string{}
	for value := range hostile {
		for i, key := range keys {
			add(fmt.Sprintf("s%d-%d", i, 30000+len(services)), func(_ map[string]any, meta map[string]string) { meta[key] = value })
		}
		name := fmt.Sprintf("split%d", len(services))
		kv["release/"+name+"/canary"] = value
		for _, version := range []string{"v1", "v2", value} {
			add(name, func(_ map[string]any, meta map[string]string) { meta["version"] = version })
		}
		add(value, func(map[string]any, map[string]string) {})
		add(value, func(s map[string]any, meta map[string]string) {
			meta["nginx_host"] = fmt.Sprintf("h%d.test", len(services))
		})
		add("id", func(s map[string]any, _ map[string]string) { s["id"] = value })
		add("address", func(s map[string]any, _ map[string]string) { s["address"] = value })
		add("tag", func(s map[string]any, _ map[string]string) { s["tags"] = []string{"http", value} })
	}
	add("good", func(s map[string]any, _ map[string]string) { s["tags"] = []string{"http"} })
	text, err := json.Marshal(map[string]any{"services": services, "kv": kv})
	if err != nil {
		t.Fatal(err)
	}
	catalog := filepath.Join(g.dir, "catalog.json")
	if err := os.WriteFile(catalog, text, 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{"-once", "-log-level", "err", "-catalog", catalog, "-template", "@nginx/gateway.conf:" + g.path("out.conf")}
	g.run(append(args, g.vars("@nginx/gateway.conf")...)...)
	conf := g.dump(g.path("out.conf"), g.path("out.conf"))
	if !strings.Contains(conf, "server_name good.example.com;") {
		t.Error("the good one is not there")
	}
	var lines []string
	for line := range strings.Lines(conf) {
		line, _, _ = strings.Cut(line, "#") // IDs stand in comments, in one line
		lines = append(lines, line)
	}
	conf = strings.Join(lines, "\n")
	for value, mark := range hostile {
		if i := strings.Index(conf, mark); i >= 0 {
			t.Errorf("%q came through: … %s …", value, conf[max(0, i-200):min(len(conf), i+200)])
		}
	}
}

// edges are values that are about as large, small, long or odd as is taken, or a bit more.
var edges = map[string][]string{
	"nginx_host":         {strings.Repeat("a", 63) + ".test", strings.Repeat("abcdefg.", 31) + "abcde", "default.test", "localhost", "3com.test", "xn--bcher-kva.test", "a.test,b.test , a.test", " "},
	"nginx_path":         {"/", "//", "/~", "/~*", "/=", "/@x", "/:80", "/a=b,c+d", "/" + strings.Repeat("a", 999), "/nginx_status", "/.x"},
	"nginx_lb":           {"random", "ip_hash", "hash cookie_" + strings.Repeat("a", 64), "hash http_" + strings.Repeat("b", 64), "hash arg_1", "hash  uri  consistent", "hash\turi"},
	"nginx_keepalive":    {"0", "1", "007", "1024", "+5"},
	"nginx_tls":          {"kv:" + strings.Repeat("a", 197), "file:" + strings.Repeat("a", 195), "file:connect", "kv:a..b"},
	"nginx_weight":       {"1", "1000", "0010", "-0"},
	"nginx_max_conns":    {"0", "2147483647", "-0"},
	"nginx_max_fails":    {"0", "2147483647"},
	"nginx_fail_timeout": {"0", "0s", "1ms", "250ms", "1.5s", "1000ms", "1h0m0.5s", ".5s", "1.5h", "315360000", "87600h"},
	"nginx_backup":       {"t", "TRUE", "1", "false"},
}

// What is taken to the very edge is taken by nginx, too: else one service would keep
// back what all others want.
func TestShippedGatewayOfEdges(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	var services []map[string]any
	for _, tag := range []string{"http", "grpc", "tcp"} {
		for key, values := range edges {
			for _, value := range values {
				name := fmt.Sprintf("s-%d", 30000+len(services))
				for i, meta := range []map[string]string{{key: value}, {}} {
					services = append(services, map[string]any{"name": name, "id": fmt.Sprint(name, i), "port": 8000, "tags": []string{tag}, "meta": meta})
				}
			}
		}
	}
	text, err := json.Marshal(map[string]any{"services": services})
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"-once", "-log-level", "err", "-catalog", g.write("catalog.json", string(text)), "-template", "@nginx/gateway.conf:" + g.path("out.conf")}
	g.run(append(args, g.vars("@nginx/gateway.conf")...)...)
	if conf := g.dump(g.path("out.conf"), g.path("out.conf")); strings.Count(conf, "fail_timeout=") != 3*6 {
		t.Errorf("there are %d times", strings.Count(conf, "fail_timeout="))
	}
}
