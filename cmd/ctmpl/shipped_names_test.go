package main

import (
	"fmt"
	"strings"
	"testing"
)

// Names of services are no matter to nginx: not how long they are, also where the main
// file sets no sizes of hash tables, and not whose names they are elsewhere in it.
func TestShippedNames(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	var catalog strings.Builder
	for i, name := range []string{
		"shop", "recommendation-engine-v", "a_name_of_one_and_forty_characters_exactly", strings.Repeat("x", 63), "Recommendation-Engine-V2", "localhost", "backend", "grafana.corp.example.com",
	} {
		for _, version := range []string{"v1", "v2"} {
			fmt.Fprintf(&catalog, "service { name = %q id = \"%d%s\" port = 8000 tags = [\"http\"] meta = { nginx_host = \"h%d.test\" version = %q } }\n", name, i, version, i, version)
		}
		fmt.Fprintf(&catalog, "kv { \"release/%s/canary\" = \"10\" }\n", name)
	}
	own := g.write("own.tmpl", `{{ template "@nginx/split" "recommendation-engine-v" }}
{{ template "@nginx/split" "shop" }}
{{ template "@nginx/upstream" "backend" }}
upstream localhost { server 127.0.0.1:1; }
server {
    listen 127.0.0.1:`+fmt.Sprint(g.ports["own"])+`;
    {{- template "@nginx/proxy" }}
    location / { proxy_pass http://{{ (nginxSplit "recommendation-engine-v").Variable }}; }
    location /x { proxy_pass http://localhost; }
}`)
	args := append(g.vars("@nginx/http.conf"), "-once", "-catalog", g.write("catalog.hcl", catalog.String()), "-var", "hash_sizes=off", "-var", "canary_by=cookie session")
	g.run(append(args, "-template", "@nginx/http.conf:"+g.path("a.conf"), "-template", own+":"+g.path("b.conf"))...)
	conf := g.dump(g.included("http", g.path("[ab].conf")), g.path("a.conf"))
	if n := strings.Count(conf, "split_clients"); n != 8 {
		t.Errorf("there are %d splits", n)
	}
}
