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
	return &world{t: t, services: map[string][]*watch.ServiceInstance{}, keys: map[string]string{}, vars: map[string]string{"domain": "example.com", "ports": "1024-65535"}}
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
			return nil, false
		}
		return "", q == watch.FileIfAny(watch.Query{Kind: watch.KindFile, Name: q.Name})
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
			text := fmt.Sprintf("%s %s%s %s", s.Listen, s.Host, l.Path, strings.Replace(string(l.Pass), "_route.", "", 1))
			switch {
			case l.Unfit:
				text = fmt.Sprintf("%s %s%s 503", s.Listen, s.Host, l.Path)
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
			all = append(all, fmt.Sprintf("%s %s", s.Listen, strings.TrimPrefix(string(s.Pass), "_route.")))
		}
		for _, h := range s.Hosts {
			all = append(all, fmt.Sprintf("%s %s %s", s.Listen, h.Host, strings.TrimPrefix(string(h.Pass), "_route.")))
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
// Each key of metadata with values that are not for it: the service, or the instance, is
// left out and named, and the other one goes on.
// With a host of its own a service with any name has an upstream that is its own.
// Instances without the tag are not for nginx.
// A version of which nothing is up gets no client, whatever the percentage.
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

// An upstream with bounded connections is another one: that of before is shared.
func TestUpstreamWithin(t *testing.T) {
	up := &Upstream{Name: "web", Keepalive: 16}
	bounded, err := up.Within("1m30s")
	if err != nil || bounded.KeptFor != "90s" || bounded.Name != "web" || up.KeptFor != "" {
		t.Errorf("got %+v, %v, and before %+v", bounded, err, up)
	}
	if _, err := up.Within("1s; x"); err == nil {
		t.Error("no time is taken for one")
	}
	if none, err := (*Upstream)(nil).Within("1s"); none != nil || err != nil {
		t.Errorf("nothing gives %v, %v", none, err)
	}
}
