package render

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ctmpl/ctmpl/internal/servers"
	"github.com/ctmpl/ctmpl/watch"
)

// injection is a value in Consul that changes what a configuration does.
type injection struct {
	name  string
	plain string // prints it as it is
	safe  string // prints it by a function
	value string
	// from is what an error names, and reason what the function says of it. Without
	// reason the function makes it harmless.
	from, reason string
	// meaning says that the value is one word, which the format alone does not refuse.
	meaning bool
}

const (
	ofWeight  = `from ServiceMeta "weight" of service "web", instance "web-1" on node "n1", asked for by service "web"`
	ofAddress = `from Address of service "web", instance "web-1" on node "n1", asked for by service "web"`
	ofWeb     = `of service "web", instance "web-1" on node "n1"`
	ofKey     = `from key "web/value"`
)

func injections() []injection {
	weight := injection{
		plain: `upstream u { {{ range service "web" }}server {{ .Address }}:{{ .Port }} weight={{ .ServiceMeta.weight }};{{ end }} }`,
		safe:  `upstream u { {{ range service "web" }}server {{ nginxServer . }} weight={{ nginxWeight .ServiceMeta.weight }};{{ end }} }`,
		from:  ofWeight, reason: "nginxWeight: want a whole number",
	}
	address := injection{
		plain: `upstream u { {{ range service "web" }}server {{ .Address }}:{{ .Port }};{{ end }} }`,
		safe:  `upstream u { {{ range service "web" }}server {{ nginxServer . }};{{ end }} }`,
		from:  ofAddress, reason: "nginxServer: ",
	}
	name := injection{
		plain: `server { listen unix:DIR/b.sock; server_name {{ key "web/value" }}; }`,
		safe:  `server { listen unix:DIR/b.sock; server_name {{ nginxServerName (key "web/value") }}; }`,
		from:  ofKey, reason: "nginxServerName: ",
	}
	header := injection{
		plain: `server { listen unix:DIR/a.sock; location / { add_header X "{{ key "web/value" }}"; return 200 ok; } }`,
		safe:  `server { listen unix:DIR/a.sock; location / { add_header X {{ nginxHeader (key "web/value") }}; return 200 ok; } }`,
		from:  ofKey,
	}
	comment := injection{
		plain: "# {{ key \"web/value\" }}\n", safe: "{{ nginxComment (key \"web/value\") }}\n",
		from: ofKey, reason: "nginxComment: the value has a line break",
	}
	with := func(i injection, name, value string, meaning bool) injection {
		i.name, i.value, i.meaning = name, value, meaning
		return i
	}
	return []injection{
		with(weight, "weight: a file server", `1; } server { listen unix:DIR/evil.sock; location / { root /; } } upstream v { server 127.0.0.1:1`, false),
		with(weight, "weight: another server", `1 max_fails=0 backup; server 203.0.113.9:80`, false),
		with(address, "address: another server", `10.0.0.1:1 weight=100; server 10.0.0.2`, false),
		with(address, "address: a socket", `unix:/var/run/docker.sock`, true),
		with(address, "address: metadata", `169.254.169.254`, true),
		with(address, "address: zero", `0`, true),
		with(address, "address: a number", `2130706433`, true),
		with(name, "server_name: two", `a.com bank.example.com`, false),
		with(name, "server_name: all", `~.*`, true),
		with(name, "server_name: slow", `~^(a+)+$`, false),
		with(name, "server_name: a domain", `*.com`, true),
		with(name, "server_name: a location", `a.com; location /etc/ { alias /etc/; } set $x 1`, false),
		with(header, "header: a variable", `$http_authorization`, false),
		with(header, "header: a second one", `a\r\nSet-Cookie: x=1`, false),
		with(header, "header: a redirect", `a"; return 302 https://evil.test; add_header Y "b`, false),
		with(comment, "comment: a server", "x\nserver { listen unix:DIR/evil.sock; }", false),
	}
}

// Each of them goes through nginx -t as a template prints it that does not think of
// it, and does no harm with the functions, or with the format alone.
func TestInjectionsThroughConsul(t *testing.T) {
	t.Parallel()
	for _, i := range injections() {
		t.Run(i.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			inDir := strings.NewReplacer("DIR", dir)
			store, value := watch.NewStore(), inDir.Replace(i.value)
			instance := &watch.ServiceInstance{Node: "n1", ID: "web-1", Name: "web", Address: "127.0.0.1", Port: 8080}
			switch i.from {
			case ofAddress:
				instance.Address = value
			case ofWeight:
				instance.ServiceMeta = map[string]string{"weight": value}
			}
			store.Put(webQuery, []*watch.ServiceInstance{instance})
			store.Put(keyQuery("web/value"), value)
			frame := func(text string) string {
				return "events {}\nhttp {\ngeo $dollar { default \"$\"; }\n" + servers.HTTPTemp(dir) + inDir.Replace(text) + "\n}\n"
			}
			execute := func(text, format string) (string, error) {
				tmpl, err := Parse("nginx.conf.tmpl", frame(text), Syntax{Format: format})
				if err != nil {
					t.Fatal(err)
				}
				r, err := tmpl.Execute(t.Context(), store)
				return string(r.Output), err
			}

			plain, err := execute(i.plain, "")
			if err != nil || !strings.Contains(plain, value) {
				t.Fatalf("without anything: %v\n%s", err, plain)
			}
			if err := nginxTest(t, dir, plain); err != nil {
				t.Errorf("the injection does not work: %v", err)
			}
			if _, err := execute(i.plain, FormatNginx); i.meaning != (err == nil) || err != nil && !strings.Contains(err.Error(), "("+i.from+")") {
				t.Errorf("with the format: %v", err)
			}
			for _, format := range []string{"", FormatNginx} {
				out, err := execute(i.safe, format)
				if i.reason == "" {
					if err == nil {
						err = nginxTest(t, dir, out)
					}
					if err != nil {
						t.Errorf("with a function, format %q: %v\n%s", format, err, out)
					}
					continue
				}
				if err == nil || !strings.Contains(err.Error(), i.reason) || !strings.Contains(err.Error(), "("+i.from+")") && !strings.Contains(err.Error(), "("+ofWeb+")") {
					t.Errorf("with a function, format %q: %v\n%s", format, err, out)
				}
			}
		})
	}
}

// nginxTest runs nginx -t on a configuration.
func nginxTest(t *testing.T, dir, conf string) error {
	t.Helper()
	found, err := servers.FindNginx(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "test.conf")
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "tmp"), 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), found.Path, "-t", "-p", dir, "-c", path, "-e", filepath.Join(dir, "test.log"), "-g", servers.Globals(conf, dir, found)).CombinedOutput()
	if err != nil {
		return fmt.Errorf("nginx -t: %w\n%s", err, out)
	}
	return nil
}

// What nginx sends of a hostile value: harm as it is, the value itself by nginxHeader.
func TestHeadersArriveAsTheyAre(t *testing.T) {
	t.Parallel()
	store, values := watch.NewStore(), []string{}
	for _, i := range injections() {
		if strings.HasPrefix(i.name, "header: ") {
			values = append(values, i.value)
		}
	}
	values = append(values, `\`, `a \" $ ${x} {};#'`, `$$`, `~.*`, "ü")
	dir := t.TempDir()
	port, err := servers.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("events {}\nhttp {\ngeo $dollar { default \"$\"; }\n%s\nserver { listen 127.0.0.1:%d; location = / { return 200 ok; }\n", servers.HTTPTemp(dir), port)
	for n, value := range values {
		store.Put(keyQuery(fmt.Sprint(n)), value)
		text += fmt.Sprintf("location = /safe/%d { add_header X {{ nginxHeader (key \"%d\") }}; return 200 ok; }\n", n, n)
		if n < 3 {
			text += fmt.Sprintf("location = /plain/%d { add_header X \"{{ key \"%d\" | raw }}\"; return 200 ok; }\n", n, n)
		}
	}
	r, err := nginxTemplate(t, text+"} }").Execute(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, r.Output, 0o600); err != nil {
		t.Fatal(err)
	}
	servers.RunNginx(t, dir, conf)
	addr := fmt.Sprintf("http://127.0.0.1:%d", port)
	for n, value := range values {
		got := headersOf(t, fmt.Sprintf("%s/safe/%d", addr, n))
		if got.Get("X") != value || got.Get("Set-Cookie") != "" || got.Get("Location") != "" {
			t.Errorf("%q arrives as %v", value, got)
		}
	}
	for n, harm := range []http.Header{{"X": {"secret"}}, {"Set-Cookie": {"x=1"}}, {"Location": {"https://evil.test"}}} {
		got := headersOf(t, fmt.Sprintf("%s/plain/%d", addr, n))
		for name := range harm {
			if got.Get(name) != harm.Get(name) {
				t.Errorf("%q does no harm any more: %v", values[n], got)
			}
		}
	}
}

func headersOf(t *testing.T, url string) http.Header {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "secret")
	transport := &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{}).DialContext}
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return response.Header
}
