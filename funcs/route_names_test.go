package funcs

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ctmpl/ctmpl/watch"
)

func TestOddNames(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 200)
	for _, c := range []struct{ name, host, note string }{
		{"api.v1", "api.v1.example.com", ""},
		{"Web", "web.example.com", ""},
		{"my_service", "", "its name cannot be that of a host"},
		{"Zürich", "", "its name cannot be that of a host"},
		{long, "", "its name cannot be that of a host"},
		{"a b", "", "its name cannot be that of a host"},
		{"a;b", "", "its name cannot be that of a host"},
		{"_x.y", "", "its name cannot be that of a host"},
		{"a/../../kv/x", "", "nobody can ask for a service of that name"},
		{"..", "", "nobody can ask for a service of that name"},
		{"a\nb", "", "nobody can ask for a service of that name"},
		{"\xff", "", "nobody can ask for a service of that name"},
		{strings.Repeat("a", 256), "", "nobody can ask for a service of that name"},
	} {
		w := newWorld(t)
		w.add(c.name, http1)
		w.add("web2", http1)
		r := w.routes()
		want := []string{"web2.example.com"}
		if c.note == "" {
			w.noted()
			want = append(want, c.host)
			slices.Sort(want)
		} else {
			w.noted(c.note)
		}
		var hosts []string
		for _, s := range r.Sites {
			hosts = append(hosts, string(s.Host))
		}
		w.want(c.name, hosts, want)
	}
}

func TestUpstreamNamesAreDistinct(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	seen := map[Nginx]string{}
	for i, name := range []string{"web", "Web", "WEB", "w eb", "w;eb", "_web", "_x.web", "_canary.web", "__canary.web", "wéb", "-web", ".web", strings.Repeat("a", 255), strings.Repeat("A", 255)} {
		w.add(name, http1, "nginx_host", fmt.Sprintf("h%d.test", i), "version", "v1")
		w.add(name, http1, "nginx_host", fmt.Sprintf("h%d.test", i), "version", "v2")
		w.keys["release/"+name+"/canary"] = "5"
	}
	r := w.routes()
	w.noted()
	if len(r.Splits) != 14 || len(r.Upstreams) != 28 {
		t.Fatalf("there are %d splits and %d upstreams", len(r.Splits), len(r.Upstreams))
	}
	variables := map[Nginx]bool{}
	for _, s := range r.Splits {
		if variables[s.Variable] || len(s.Variable) > 1+46 {
			t.Errorf("%s has %s", s.Service, s.Variable)
		}
		variables[s.Variable] = true
	}
	for _, up := range r.Upstreams {
		if other := seen[up.Name]; other != "" || !upstreamName.MatchString(string(up.Name)) {
			t.Errorf("%s has the name %s, as %s", up.Service, up.Name, other)
		}
		seen[up.Name] = up.Service
	}
}

func TestSplitsOfRoutes(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]struct {
		pass      string
		upstreams string
		note      string
	}{
		"none":           {"web", "web=8001,8002,8003", ""}, // there is no key
		"":               {"web", "web=8001,8002,8003", ""},
		"0":              {"web", "web=8001,8002", ""},
		"1":              {"split", "_canary.web=8003 _stable.web=8001,8002", ""},
		"99":             {"split", "_canary.web=8003 _stable.web=8001,8002", ""},
		"100":            {"web", "web=8003", ""},
		"100\n":          {"web", "web=8003", ""}, // of echo 100 | consul kv put KEY -
		"\n":             {"web", "web=8001,8002", "want a whole number, 0 to 100"},
		"-1":             {"web", "web=8001,8002", `service "web" has no canary: key "release/web/canary": want a whole number, 0 to 100`},
		"101":            {"web", "web=8001,8002", "want a whole number, 0 to 100"},
		"abc":            {"web", "web=8001,8002", "want a whole number, 0 to 100"},
		"5.5":            {"web", "web=8001,8002", "want a whole number, 0 to 100"},
		"5%; } server {": {"web", "web=8001,8002", "want a whole number, 0 to 100"},
	} {
		w := newWorld(t)
		w.add("web", http1, "version", "v9")
		w.add("web", http1)
		w.add("web", http1, "version", "v10")
		if value != "none" {
			w.keys["release/web/canary"] = value
		}
		r := w.routes()
		if want.note == "" {
			w.noted()
		} else {
			w.noted(want.note)
		}
		var all []string
		for _, up := range r.Upstreams {
			var ports []string
			for _, s := range up.Servers {
				ports = append(ports, strings.TrimPrefix(string(s.Address), "10.0.0.1:"))
			}
			all = append(all, strings.TrimPrefix(string(up.Name), "_route.")+"="+strings.Join(ports, ","))
		}
		if got := strings.Join(all, " "); got != want.upstreams || passed(r.Sites[0].Locations[0]) != want.pass {
			t.Errorf("%q: got %s, %s", value, got, r.Sites[0].Locations[0].Pass)
		}
		if want.pass == "split" && (len(r.Splits) != 1 || string(r.Splits[0].Parts[0].Share) != value+"%" || r.Splits[0].Parts[1].Share != "*") {
			t.Errorf("%q: got %+v", value, r.Splits)
		}
	}
}

// passed is the upstream of a location, or "split" for that of the service web.
func passed(l Location) string {
	pass := strings.TrimPrefix(string(l.Pass), "_route.")
	return strings.Replace(pass, "$ctmpl_split_x_"+shortSum("web"), "split", 1)
}

func TestSplitsWithoutOneSide(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		down    string
		percent string
		want    string
	}{{"v1", "5", "8002"}, {"v1", "0", ""}, {"v2", "0", "8001"}, {"v2", "5", "8001"}, {"v2", "100", "8001"}, {"v1", "abc", "8002"}} {
		w := newWorld(t)
		w.add("web", http1, "version", "v1")
		w.add("web", http1, "version", "v2")
		for _, i := range w.services["web"] {
			if i.ServiceMeta["version"] == c.down {
				i.Status = watch.StatusCritical
			}
		}
		w.keys["release/web/canary"] = c.percent
		r := w.routes()
		var want []string
		if c.want != "" {
			want = []string{"10.0.0.1:" + c.want}
		}
		w.want(fmt.Sprint(c), servers1(r.Upstreams[0]), want)
		if len(r.Splits) > 0 {
			t.Errorf("%v: there is a split", c)
		}
	}
}

func TestSplitKeys(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"address": "", "header X-User": "$http_x_user", "cookie session_id": "$cookie_session_id"} {
		if got, err := canaryKeyOf(text); err != nil || string(got.source) != want {
			t.Errorf("%s: got %s, %v", text, got.source, err)
		}
	}
	for _, text := range []string{"", "header", "cookie a-b", "header X;", "$http_x", "header X Y"} {
		if _, err := canaryKeyOf(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestVersionsAreCompared(t *testing.T) {
	t.Parallel()
	sorted := []string{"", "1.2", "1.10.0-rc1", "1.10.0-rc2", "1.10.0~beta", "1.10.0", "1.10.0-2", "1.10.1-rc1", "1.10.1", "2", "v1", "v2", "v10-rc1", "v10"}
	for i, a := range sorted {
		for j, b := range sorted {
			if got := compareVersions(a, b); (got < 0) != (i < j) || (got == 0) != (i == j) {
				t.Errorf("%s and %s: got %d", a, b, got)
			}
		}
	}
}

func TestOwnUpstreams(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.add("web", nil, "nginx_lb", "least_conn")
	w.add("web", nil, "nginx_weight", "x")
	w.add("odd", nil, "nginx_lb", "fair", "nginx_max_fails", "3")
	w.routes()
	for _, c := range []struct {
		args []any
		name string
		note []string
		err  string
	}{
		{[]any{"web"}, "web", []string{`instance "web-2" on node "n1" is left out: nginx_weight`}, ""},
		{[]any{w.services["web"]}, "web", []string{"nginx_weight"}, ""},
		{[]any{"mine", w.services["web"]}, "mine", []string{"nginx_weight"}, ""},
		{[]any{"odd"}, "odd", []string{`service "odd": nothing of its metadata counts: nginx_lb`}, ""},
		{[]any{"nobody"}, "nobody", nil, ""},
		{[]any{[]*watch.ServiceInstance{}}, "", nil, ""},
		{[]any{"mine", []*watch.ServiceInstance{}}, "mine", nil, ""},
		{[]any{5}, "", nil, "want the name of a service"},
		{[]any{}, "", nil, "want the name of a service"},
		{[]any{"a/b"}, "", nil, "want the name of a service"},
	} {
		w.notes = nil
		up, err := w.router.nginxUpstream(c.args...)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%v: got %v", c.args, err)
			}
			continue
		}
		w.noted(c.note...)
		switch {
		case err != nil:
			t.Errorf("%v: got %v", c.args, err)
		case up == nil && c.name != "", up != nil && string(up.Name) != c.name:
			t.Errorf("%v: got %+v", c.args, up)
		}
	}
	if up, err := w.router.nginxStreamUpstream("web"); err != nil || up.Zone != "tcp.web 64k" || up.Keepalive != 0 {
		t.Errorf("got %+v, %v", up, err)
	}
	if s, err := w.router.nginxSplit("web"); err != nil || len(s.Parts) != 1 || s.Parts[0].Upstream.Name != "web" || s.Variable != "$split_web" {
		t.Errorf("got %+v, %v", s, err)
	}
}

// What was made for some tags is not for others.
func TestRoutesOfSomeTags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.add("web", []string{"http", "grpc"})
	w.add("echo-9999", tcp1)
	for range 2 {
		w.want("http", sites(w.routes("http")), []string{"80 web.example.com/ web"})
		w.want("grpc", sites(w.routes("grpc")), []string{"50051 http2 web.example.com/ web grpc"})
		w.want("both", sites(w.routes("http", "grpc")), []string{"80 web.example.com/ web", "50051 http2 web.example.com/ web grpc"})
		w.want("no stream", streams(w.routes("http")), nil)
		w.want("stream", streams(w.routes()), []string{"9999 echo-9999"})
	}
}

// nginx takes variables of up to 46 characters (variables_hash_bucket_size 64).
func TestVariablesAreShort(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"web", "recommendation-engine-v2", "a_name_of_one_and_forty_characters_exactly", strings.Repeat("a", 33), strings.Repeat("a", 255), "Web"} {
		w := newWorld(t)
		w.vars["canary_by"] = "cookie session"
		w.add(name, http1, "nginx_host", "a.test", "version", "v1")
		w.add(name, http1, "nginx_host", "a.test", "version", "v2")
		w.keys["release/"+name+"/canary"] = "5"
		split := w.routes().Splits[0]
		own, err := w.router.nginxSplit(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []Nginx{split.Variable, split.Key, own.Variable, own.Key} {
			if len(s) > 1+46 {
				t.Errorf("%s has %d characters", s, len(s))
			}
		}
		if split.Variable == own.Variable || split.Key == own.Key || split.Parts[0].Upstream.Name == own.Parts[0].Upstream.Name {
			t.Errorf("a template of one's own gives things the names of routes: %+v", own)
		}
	}
}

// What routes and ways into the mesh are called is not what anything else is called.
func TestNamesOfRoutes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []string{"web", "_route.web", "_connect.web", "localhost"} {
		w.add(name, http1, "nginx_host", "a.test", "nginx_path", "/"+name)
	}
	seen := map[Nginx]bool{}
	for _, up := range w.routes().Upstreams {
		seen[up.Name] = true
		if !strings.HasPrefix(string(up.Name), "_route.") || up.Zone != "http."+up.Name+" 64k" {
			t.Errorf("%s has the name %s and the zone %s", up.Service, up.Name, up.Zone)
		}
	}
	for name := range w.services {
		up, err := w.router.nginxUpstream(name)
		if err != nil {
			t.Fatal(err)
		}
		a, b := up.At("127.0.0.1:80"), up.At("127.0.0.1:81")
		if seen[up.Name] || seen[a.Name] || seen[b.Name] || a.Name == b.Name {
			t.Errorf("names are not distinct: %s, %s, %s", up.Name, a.Name, b.Name)
		}
		seen[up.Name], seen[a.Name], seen[b.Name] = true, true, true
	}
	if got := (&Upstream{Name: "web", Zone: "tcp.web 64k"}).At("[::1]:80 reuseport"); got.Name != "_connect.web.-1-80-reuseport" || got.Zone != "tcp._connect.web.-1-80-reuseport 64k" {
		t.Errorf("got %+v", got)
	}
}

// A sidecar has the tags and metadata of its service, and Consul gives the instances of
// WEB for web, too.
func TestInstancesOfOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.add("web-sidecar-proxy", http1, "nginx_host", "web.test").Kind = "connect-proxy"
	w.add("web", http1, "nginx_host", "web.test")
	thief := w.add("web", http1, "nginx_host", "thief.test")
	thief.Name, thief.CreateIndex = "WEB", 0
	r := w.routes()
	w.want("sites", sites(r), []string{"80 web.test/ web"})
	w.want("servers", servers1(r.Upstreams[0]), []string{"10.0.0.1:8002"})
	w.noted(`service "web" goes without the instances of "WEB"`)
	if up, err := w.router.nginxUpstream("web"); err != nil || len(up.Servers) != 1 {
		t.Errorf("got %+v, %v", up, err)
	}
}
