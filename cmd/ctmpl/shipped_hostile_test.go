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
