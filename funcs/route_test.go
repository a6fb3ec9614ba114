package funcs

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/watch"
)

// world is a catalog with keys for routes.
type world struct {
	t        *testing.T
	services map[string][]*watch.ServiceInstance
	keys     map[string]string
	vars     map[string]string
	files    map[string]string
	missing  func(watch.Query)
	router   *router
	x        *Execution
	notes    []string
}

func newWorld(t *testing.T) *world {
	return &world{t: t, services: map[string][]*watch.ServiceInstance{}, keys: map[string]string{}, vars: map[string]string{"domain": "example.com"}}
}

// Read implements Reader.
func (w *world) Read(q watch.Query) (any, bool) {
	switch q.Kind {
	case watch.KindServices:
		list := []*watch.ServiceSummary{}
		for name, instances := range w.services {
			s := &watch.ServiceSummary{Name: name}
			for _, i := range instances {
				s.Tags = append(s.Tags, i.Tags...)
			}
			list = append(list, s)
		}
		slices.SortFunc(list, func(a, b *watch.ServiceSummary) int { return strings.Compare(a.Name, b.Name) })
		return list, true
	case watch.KindService:
		if values, _ := url.ParseQuery(q.Params); values.Get("filter") != watch.StatusAny {
			w.t.Errorf("asked for %s", q)
		}
		return w.services[q.Name], true
	case watch.KindPrefix:
		var list []*watch.KeyPair
		for path, value := range w.keys {
			if strings.HasPrefix(path, q.Name) {
				list = append(list, &watch.KeyPair{Path: path, Value: value})
			}
		}
		return list, true
	case watch.KindFile:
		if text, ok := w.files[q.Name]; ok {
			return text, true
		}
		if w.missing != nil {
			w.missing(q)
		}
		return nil, false
	}
	w.t.Errorf("asked for %s", q)
	return nil, false
}

// Refuse implements Reader.
func (w *world) Refuse(watch.Query) {}

// add registers an instance. The later, the younger.
func (w *world) add(name string, tags []string, meta ...string) *watch.ServiceInstance {
	n := 1
	for _, list := range w.services {
		n += len(list)
	}
	i := &watch.ServiceInstance{
		Name: name, ID: fmt.Sprintf("%s-%d", name, len(w.services[name])+1), Node: "n1", Address: "10.0.0.1", Port: 8000 + n, Tags: tags,
		ServiceMeta: map[string]string{}, Status: watch.StatusPassing, Weights: api.AgentWeights{Passing: 1, Warning: 1}, CreateIndex: uint64(n),
	}
	for k := 0; k < len(meta); k += 2 {
		i.ServiceMeta[meta[k]] = meta[k+1]
	}
	w.services[name] = append(slices.Clone(w.services[name]), i)
	return i
}

func (w *world) routes(tags ...string) *Routes {
	w.t.Helper()
	if w.router == nil {
		w.x = &Execution{Reader: w, Note: func(text string) { w.notes = append(w.notes, text) }}
		w.router = newRouter(w.x, Options{Vars: w.vars})
	}
	w.notes = nil
	r, err := w.router.nginxRoutes(tags...)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// sites writes routes of http in short.
func sites(r *Routes) (all []string) {
	for _, s := range r.Sites {
		for _, l := range s.Locations {
			text := fmt.Sprintf("%s %s%s %s", s.Listen, s.Host, l.Path, l.Pass)
			switch {
			case l.Redirect:
				text = fmt.Sprintf("%s %s%s redirect%s", s.Listen, s.Host, l.Path, l.Port)
			case l.GRPC:
				text += " grpc"
			}
			all = append(all, text)
		}
	}
	return all
}

func streams(r *Routes) (all []string) {
	for _, s := range r.Streams {
		if len(s.Hosts) == 0 {
			all = append(all, fmt.Sprintf("%s %s", s.Listen, s.Pass))
		}
		for _, h := range s.Hosts {
			all = append(all, fmt.Sprintf("%s %s %s", s.Listen, h.Host, h.Pass))
		}
	}
	return all
}

func servers1(up *Upstream) (all []string) {
	for _, s := range up.Servers {
		all = append(all, string(s.Address+s.Parameters))
	}
	return all
}

func (w *world) want(what string, got, want []string) {
	w.t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("%s (-want +got)\n%s", what, diff)
	}
}

// noted checks that each note holds one of the texts, in any order, and that there are
// no others.
func (w *world) noted(texts ...string) {
	w.t.Helper()
	if len(w.notes) != len(texts) {
		w.t.Errorf("got %d notes %q, want %d", len(w.notes), w.notes, len(texts))
	}
	for _, text := range texts {
		if !slices.ContainsFunc(w.notes, func(n string) bool { return strings.Contains(n, text) }) {
			w.t.Errorf("no note has %q: %q", text, w.notes)
		}
	}
	for _, n := range w.notes {
		if strings.ContainsAny(n, "\n\r\x00") {
			w.t.Errorf("the note %q is more than one line", n)
		}
	}
}

var (
	http1 = []string{"http"}
	tcp1  = []string{"tcp"}
	grpc1 = []string{"grpc"}
)

func TestRoutesByTag(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.add("web", http1)
	w.add("api", http1, "nginx_host", "web.example.com, api.test", "nginx_path", "/api")
	w.add("greeter", grpc1)
	w.add("echo-9999", tcp1)
	w.add("mail", tcp1, "nginx_listen", "2525")
	w.add("tls", tcp1, "nginx_host", "tls.example.com")
	w.add("none", []string{"https"})
	w.add("alone", http1, "nginx_listen", "9000")
	r := w.routes()
	w.want("sites", sites(r), []string{
		"80 api.test/api api", "80 web.example.com/ web", "80 web.example.com/api api", "9000 alone.example.com/ alone",
		"50051 http2 greeter.example.com/ greeter grpc",
	})
	w.want("streams", streams(r), []string{"2525 mail", "8443 tls.example.com tls", "9999 echo-9999"})
	w.noted()
	if r.Sites[0].Whole || !r.Sites[1].Whole {
		t.Error("only web has the whole of its host")
	}
}

// Who registered first has it, whatever the names, and it stays so.
func TestTheOlderKeepsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.add("z", http1, "nginx_host", "a.test")
	w.add("a", http1, "nginx_host", "a.test")
	w.add("b", http1, "nginx_host", "a.test", "nginx_path", "/b")
	w.add("y-9999", tcp1)
	w.add("x", tcp1, "nginx_listen", "9999")
	w.add("c", http1, "nginx_listen", "9999", "nginx_host", "c.test")
	w.add("s", tcp1, "nginx_host", "s.test")
	w.add("r", tcp1, "nginx_host", "s.test")
	for range 2 {
		r := w.routes()
		w.want("sites", sites(r), []string{"80 a.test/ z", "80 a.test/b b"})
		w.want("streams", streams(r), []string{"8443 s.test s", "9999 y-9999"})
		w.noted(
			`service "a" does not get a.test/ on port 80: service "z", which is older, has it`,
			`service "x" does not get port 9999: service "y-9999", which is older, has it for TCP`,
			`service "c" does not get port 9999: service "y-9999", which is older, has it for TCP`,
			`service "r" does not get s.test on port 8443: service "s", which is older, has it`,
		)
		if names := len(r.Upstreams) + len(r.StreamUpstreams); names != 4 {
			t.Errorf("got %d upstreams", names)
		}
		w.router = nil // as after a restart
	}
	w.services["z"] = nil
	w.want("sites without z", sites(w.routes()), []string{"80 a.test/ a", "80 a.test/b b"})
}

// A host stays with its service when nothing of that is up, and answers 502.
func TestWhatIsDownKeepsItsHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.add("web", http1, "nginx_host", "a.test").Status = watch.StatusCritical
	w.add("web", http1, "nginx_host", "a.test").Status = watch.StatusMaintenance
	w.add("thief", http1, "nginx_host", "a.test")
	r := w.routes()
	w.want("sites", sites(r), []string{"80 a.test/ web"})
	if len(r.Upstreams) != 1 || len(r.Upstreams[0].Servers) != 0 {
		t.Errorf("got %+v", r.Upstreams)
	}
}

func TestPortsThatAreNotForServices(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vars["ports"] = "1024-65535"
	w.add("ssh-22", tcp1)
	w.add("a-8443", tcp1)
	w.add("b", tcp1, "nginx_listen", "50051")
	w.add("c", http1, "nginx_listen", "80")
	w.add("d", http1, "nginx_listen", "443")
	w.add("e-0", tcp1)
	w.add("f-123456", tcp1)
	w.add("g", tcp1)
	w.add("h", tcp1, "nginx_host", "default")
	w.want("streams", streams(w.routes()), nil)
	w.noted(
		`service "ssh-22" does not get port 22: it is none of the variable ports`,
		`service "a-8443" does not get port 8443: it is that of the variable tls_listen`,
		`service "b" does not get port 50051: it is that of the variable grpc_listen`,
		`service "d" does not get port 443: it is that of the variable https_listen`,
		`service "e-0" is left out of TCP: it says no port`,
		`service "f-123456" is left out of TCP: it says no port`,
		`service "g" is left out of TCP: it says no port`,
		`service "h" does not get default on port 8443: a host for TLS needs a dot in its name`,
	)
	w.want("sites", sites(w.routes()), []string{"80 c.example.com/ c"})
}

// injections are values that pass nginx -t, each with an effect, and some that break it.
var injections = []string{
	`1; } server { listen 18902; location / { root /; } } upstream v { server 127.0.0.1:1`, `1 max_fails=0 backup; server 203.0.113.9:80`,
	`10.0.0.1:1 weight=100; server 10.0.0.2`, "unix:/var/run/docker.sock", "169.254.169.254", "a.com bank.example.com", "~.*", "~^(a+)+$", "*.com",
	`a.com; location /etc/ { alias /etc/; } set $x 1`, "$http_authorization", "a\r\nSet-Cookie: x=1", `a"; return 302 https://evil.test; add_header Y "b`,
	"/../etc", "/a b", "a\nserver {}", "include /etc/passwd", "\x00", "{{ . }}", "#", `\`, "'", "é",
}

// Each key of metadata with values that are not for it: the service, or the instance, is
// left out and named, and the other one goes on.
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
		"nginx_fail_timeout": {"", "-1s", "abc", "1.0001s", "1000000h", "5 s", "5s;"},
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
			} else {
				w.want(key+" "+value, sites(r), []string{"80 other.example.com/ other"})
				w.noted(`service "web" is left out: ` + key)
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
	if up.Balance != "least_conn;" || up.Keepalive != 0 || up.Zone != "http.web 64k" {
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
	w.noted("nginx has no backup with nginx_lb ip_hash", `service "db-9999" is left out of TCP: nginx_lb`)
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

// With a host of its own a service with any name has an upstream that is its own.
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
		if variables[s.Variable] || !variableName.MatchString(strings.TrimPrefix(string(s.Variable), "$")) {
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

// Instances without the tag are not for nginx.
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
		"1":              {"$split_web", "_canary.web=8003 _stable.web=8001,8002", ""},
		"99":             {"$split_web", "_canary.web=8003 _stable.web=8001,8002", ""},
		"100":            {"web", "web=8003", ""},
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
			all = append(all, string(up.Name)+"="+strings.Join(ports, ","))
		}
		if got := strings.Join(all, " "); got != want.upstreams || string(r.Sites[0].Locations[0].Pass) != want.pass {
			t.Errorf("%q: got %s, %s", value, got, r.Sites[0].Locations[0].Pass)
		}
		if want.pass == "$split_web" && (len(r.Splits) != 1 || string(r.Splits[0].Parts[0].Share) != value+"%" || r.Splits[0].Parts[1].Share != "*") {
			t.Errorf("%q: got %+v", value, r.Splits)
		}
	}
}

// A version of which nothing is up gets no client, whatever the percentage.
func TestSplitsWithoutOneSide(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		down    string
		percent string
		want    string
	}{{"v1", "5", "8002"}, {"v1", "0", "8002"}, {"v2", "5", "8001"}, {"v2", "100", "8001"}, {"v1", "abc", "8002"}} {
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
		w.want(fmt.Sprint(c), servers1(r.Upstreams[0]), []string{"10.0.0.1:" + c.want})
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
	sorted := []string{"", "1.2", "1.10", "1.10.1", "2", "v1", "v2", "v10", "v10-rc1"}
	for i, a := range sorted {
		for j, b := range sorted {
			if got := compareVersions(a, b); (got < 0) != (i < j) || (got == 0) != (i == j) {
				t.Errorf("%s and %s: got %d", a, b, got)
			}
		}
	}
}

// What has not changed is the very same, so that its output need not be made anew.
func TestRoutesStayTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []string{"a", "b", "c"} {
		w.add(name, []string{"http", "tcp"}, "nginx_host", name+".example.com", "version", "v1")
		w.add(name, []string{"http", "tcp"}, "nginx_host", name+".example.com", "version", "v2")
		w.keys["release/"+name+"/canary"] = "5"
	}
	w.add("d-9999", tcp1)
	before := w.routes()
	w.add("a", http1, "nginx_host", "a.example.com", "version", "v2")
	after := w.routes()
	for i := range before.Sites {
		if before.Sites[i] != after.Sites[i] {
			t.Errorf("site %s is another one", before.Sites[i].Host)
		}
	}
	for i, up := range before.Upstreams {
		if same := up == after.Upstreams[i]; same == strings.HasSuffix(string(up.Name), ".a") {
			t.Errorf("upstream %s: the same: %v", up.Name, same)
		}
	}
	for i, s := range before.Splits {
		if same := s == after.Splits[i]; same == (s.Service == "a") {
			t.Errorf("split of %s: the same: %v", s.Service, same)
		}
	}
	if before.Streams[1] != after.Streams[1] {
		t.Error("the stream is another one")
	}
	w.keys["release/b/canary"] = "6"
	last := w.routes()
	if last.Splits[1] == after.Splits[1] || last.Sites[1] != after.Sites[1] || last.Upstreams[1] != after.Upstreams[1] {
		t.Error("another percentage concerns the split alone")
	}
}

func TestBadVariables(t *testing.T) {
	t.Parallel()
	for name, values := range map[string][]string{
		"http_listen": {"", "0", "x", "127.0.0.1:80", "443"}, "https_listen": {"80"}, "grpc_listen": {"65536"}, "tls_listen": {"8080;"},
		"domain": {".com", "Example.com", "a b"}, "address": {"localhost", "127.0.0.1:80", "169.254.169.254"}, "ports": {"", "0-5", "9-5", "a"},
		"lb": {"fair", "hash uri"}, "max_fails": {"-1", "x"}, "fail_timeout": {"x"}, "canary_by": {"", "x"}, "tls_dir": {"", "tls", "/etc/x;y"},
	} {
		for _, value := range values {
			r := newRouter(&Execution{}, Options{Vars: map[string]string{name: value}})
			if _, err := r.nginxRoutes(); err == nil || !strings.Contains(err.Error(), "the variable ") {
				t.Errorf("%s = %q: got %v", name, value, err)
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

func TestZoneIsLargeEnough(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "64k", 32: "64k", 33: "128k", 1000: "2048k"} {
		if got := zoneSize(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}
