package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ctmpl/ctmpl/internal/servers"
)

var update = flag.Bool("update", false, "write what the shipped templates give to testdata/shipped")

// gateway is a place for the output of shipped templates: a directory, and ports.
type gateway struct {
	t     *testing.T
	dir   string
	ports map[string]int
}

func newGateway(t *testing.T) *gateway {
	t.Helper()
	g := &gateway{t: t, dir: t.TempDir(), ports: map[string]int{}}
	names := []string{"http", "ssl", "grpc", "tls", "echo", "mail", "own"}
	free, err := servers.FreePorts(len(names))
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		g.ports[name] = free[i]
	}
	for _, dir := range []string{"tls", "tmp"} {
		if err := os.Mkdir(g.path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

func (g *gateway) path(name string) string { return filepath.Join(g.dir, name) }

func (g *gateway) write(name, text string) string {
	g.t.Helper()
	if err := os.WriteFile(g.path(name), []byte(text), 0o644); err != nil {
		g.t.Fatal(err)
	}
	return g.path(name)
}

// real puts ports and directory into a text, and shown takes them out of it.
func (g *gateway) real(text string) string {
	for name, port := range g.ports {
		text = strings.ReplaceAll(text, "PORT-"+name, fmt.Sprint(port))
	}
	return strings.ReplaceAll(text, "DIR", g.dir)
}

var certSum = regexp.MustCompile(`(?m)^( +# )[0-9a-f]{16}$`)

func (g *gateway) shown(text string) string {
	text = certSum.ReplaceAllString(strings.ReplaceAll(text, g.dir, "DIR"), "${1}SUM") // before the ports: there may be their digits in it
	for name, port := range g.ports {
		text = strings.ReplaceAll(text, fmt.Sprint(port), "PORT-"+name)
	}
	return text
}

// vars are those that keep nginx off the places of the system's.
func (g *gateway) vars(template string, more ...string) (args []string) {
	all := map[string]string{
		"address": "127.0.0.1", "http_listen": "PORT-http", "https_listen": "PORT-ssl", "grpc_listen": "PORT-grpc", "tls_listen": "PORT-tls",
		"domain": "example.com", "tls_dir": "DIR/tls", "ports": "1024-65535",
	}
	if template == "@nginx/gateway.conf" {
		for name, value := range map[string]string{
			"user": "", "pid": "DIR/nginx.pid", "error_log": "DIR/error.log", "access_log": "DIR/access.log", "stream_log": "DIR/stream.log",
			"temp_dir": "DIR/tmp", "workers": "1", "modules": g.modules(),
		} {
			all[name] = value
		}
	}
	for _, text := range more {
		name, value, _ := strings.Cut(text, "=")
		all[name] = value
	}
	for name, value := range all {
		args = append(args, "-var", name+"="+g.real(value))
	}
	return args
}

// modules gives a file that loads stream, "" where that is compiled in.
func (g *gateway) modules() string {
	found, err := servers.FindNginx(g.t.Context())
	if err != nil {
		g.t.Fatal(err)
	}
	if found.StreamModule == "" {
		return ""
	}
	return g.write("modules-enabled.conf", "load_module "+found.StreamModule+";\n")
}

// run runs ctmpl to its end and gives what it has logged.
func (g *gateway) run(args ...string) string {
	g.t.Helper()
	cmd := exec.Command(program(g.t), args...)
	cmd.Env = append(os.Environ(), fastExit)
	out, err := cmd.CombinedOutput()
	if err != nil {
		g.t.Fatalf("ctmpl: %v\n%s", err, out)
	}
	return string(out)
}

// dump gives a file of a configuration as nginx has read it, after its check.
func (g *gateway) dump(main, file string) string {
	g.t.Helper()
	found, err := servers.FindNginx(g.t.Context())
	if err != nil {
		g.t.Fatal(err)
	}
	cmd := exec.CommandContext(g.t.Context(), found.Path, "-T", "-c", main, "-p", g.dir, "-e", g.path("error.log"))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil || strings.Contains(stderr.String(), "[warn]") {
		g.t.Fatalf("nginx -T: %v\n%s", err, &stderr)
	}
	_, text, _ := strings.Cut(stdout.String(), "# configuration file "+file+":\n")
	text, _, _ = strings.Cut(text, "\n# configuration file ")
	return g.shown(text)
}

// golden compares a text with what is kept.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "shipped", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s, to be written anew with -update (-want +got)\n%s", name, diff)
	}
}

// catalog writes a catalog of testdata with certificates.
func (g *gateway) catalog(name string) string {
	g.t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "shipped", name))
	if err != nil {
		g.t.Fatal(err)
	}
	authority := newAuthority(g.t)
	pem := func(name string) string {
		cert, key := authority.pair(g.t, name)
		return string(cert) + string(key)
	}
	g.write("tls/vault.pem", pem("vault.example.com"))
	kv := fmt.Sprintf("kv {\n\"nginx/tls/bank\" = <<EOF\n%sEOF\n}\n", pem("bank.example.com"))
	return g.write("catalog.hcl", g.real(string(text))+kv)
}

// included is a main file for what is to be included in a block.
func (g *gateway) included(block, file string) string {
	text := "pid DIR/nginx.pid;\nerror_log DIR/error.log;\nevents { }\nhttp { TEMP\nHTTP }\nSTREAM"
	if modules := g.modules(); modules != "" {
		text = "include " + modules + ";\n" + text
	}
	for _, b := range []string{"http", "stream"} {
		include := ""
		if b == block {
			include = "include " + file + ";"
		}
		if b == "stream" && include != "" {
			include = "stream { " + include + " }\n"
		}
		text = strings.ReplaceAll(text, strings.ToUpper(b), include)
	}
	return g.write("main.conf", strings.ReplaceAll(g.real(text), "TEMP", servers.HTTPTemp(g.dir)))
}

// What the shipped templates give for all that a service can say, as nginx reads it.
func TestShippedTemplates(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ template, block string }{
		{"@nginx/gateway.conf", ""}, {"@nginx/http.conf", "http"}, {"@nginx/grpc.conf", "http"}, {"@nginx/stream.conf", "stream"},
	} {
		t.Run(c.template, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t)
			out := g.path("out.conf")
			log := g.run(append([]string{"-once", "-log-level", "warn", "-catalog", g.catalog("catalog.hcl"), "-template", c.template + ":" + out}, g.vars(c.template)...)...)
			main := out
			if c.block != "" {
				main = g.included(c.block, out)
			}
			name := strings.TrimPrefix(c.template, "@nginx/")
			golden(t, name, g.dump(main, out))
			golden(t, name+".log", g.shown(logTime.ReplaceAllString(log, "")))
		})
	}
}

var logTime = regexp.MustCompile(`(?m)^\S+ `)

// Without any service there is a gateway that answers 404.
func TestShippedGatewayOfNothing(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	catalog := g.write("catalog.hcl", "")
	args := []string{"-once", "-catalog", catalog, "-template", "@nginx/gateway.conf:" + g.path("out.conf")}
	g.run(append(args, g.vars("@nginx/gateway.conf")...)...)
	golden(t, "nothing.conf", g.dump(g.path("out.conf"), g.path("out.conf")))
}

// A template of one's own may call the parts.
func TestShippedParts(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	source := g.write("own.tmpl", `{{ template "@nginx/maps" }}
{{ template "@nginx/upstream" (service "api") }}
{{ template "@nginx/upstream" "web" }}
{{ template "@nginx/upstream" (service "nobody") }}
{{ template "@nginx/split" "shop" }}
server {
    listen 127.0.0.1:{{ nginxPort (var "port") }};
    {{- template "@nginx/proxy" }}
    location / { proxy_pass http://$split_shop; }
    location /api { proxy_pass http://api; }
    location /web { proxy_pass http://web; }
}
{{ $routes := nginxRoutes "http" }}
{{ range $routes.Upstreams }}
{{ template "@nginx/upstream-block" . }}
{{ end }}
{{ range $routes.Sites }}{{ if .Certificate }}
{{ template "@nginx/server" . }}
{{ end }}{{ end }}
`)
	config := g.write("ctmpl.hcl", g.real(fmt.Sprintf(`template {
  source = %q
  destination = "DIR/out.conf"
  format = "nginx"
  vars { port = PORT-own tls_dir = "DIR/tls" address = "127.0.0.1" https_listen = PORT-ssl domain = "example.com" canary_by = "cookie session" ports = "1-65535" }
}`, source)))
	catalog := g.catalog("catalog.hcl")
	g.run("-once", "-config", config, "-catalog", catalog)
	// The certificates of others are for @nginx/http to write.
	pair, key := newAuthority(t).pair(t, "bank.example.com")
	if err := os.MkdirAll(g.path("tls/consul"), 0o755); err != nil {
		t.Fatal(err)
	}
	g.write("tls/consul/bank.pem", string(pair)+string(key))
	golden(t, "own.conf", g.dump(g.included("http", g.path("out.conf")), g.path("out.conf")))
}

// Thousands of services, of which a fifth have TCP ports, and services of up to a thousand
// instances, are nothing special. What they cost nginx is logged, for docs/templates.md.
func TestShippedGatewayOfThousands(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	type object map[string]any
	var services []object
	for n := range 2000 {
		meta := object{}
		tag := "http"
		if n%5 == 0 {
			tag, meta["nginx_listen"] = "tcp", fmt.Sprint(10000+n)
		}
		for i := range 5 {
			services = append(services, object{
				"name": fmt.Sprintf("svc-%d", n), "id": fmt.Sprintf("svc-%d-%d", n, i), "address": fmt.Sprintf("10.0.%d.%d", n/250, n%250), "port": 8000 + i, "tags": []string{tag}, "meta": meta,
			})
		}
	}
	conf := g.of(services)
	g.checked(conf)
	text := g.dump(conf, conf)
	if sites, ports := strings.Count(text, "server_name svc-"), strings.Count(text, "proxy_pass _route.svc-"); sites != 1600 || ports != 400 {
		t.Errorf("there are %d sites and %d ports", sites, ports)
	}
	for _, n := range []int{32, 33, 64, 1000} {
		for i := range n {
			services = append(services, object{
				"name": fmt.Sprintf("large-%d", n), "id": fmt.Sprintf("%d-%d", n, i), "address": fmt.Sprintf("2001:db8:1111:2222:3333:4444:5555:%x", i+0x1000), "port": 65000, "tags": []string{"http"},
			})
		}
	}
	conf = g.of(services)
	if text := g.dump(conf, conf); strings.Count(text, "server [2001:") != 32+33+64+1000 {
		t.Error("not all instances are there")
	}
}

// of gives the main file of a gateway for services.
func (g *gateway) of(services any) string {
	g.t.Helper()
	text, err := json.Marshal(map[string]any{"services": services})
	if err != nil {
		g.t.Fatal(err)
	}
	args := []string{"-once", "-log-level", "err", "-catalog", g.write("catalog.json", string(text)), "-template", "@nginx/gateway.conf:" + g.path("out.conf")}
	g.run(append(args, g.vars("@nginx/gateway.conf")...)...)
	return g.path("out.conf")
}

// checked has nginx -t look at a main file, and logs what that took.
func (g *gateway) checked(conf string) {
	g.t.Helper()
	found, err := servers.FindNginx(g.t.Context())
	if err != nil {
		g.t.Fatal(err)
	}
	info, err := os.Stat(conf)
	if err != nil {
		g.t.Fatal(err)
	}
	cmd := exec.CommandContext(g.t.Context(), found.Path, "-t", "-c", conf, "-p", g.dir, "-e", g.path("error.log"))
	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		g.t.Fatalf("nginx -t: %v\n%s", err, out)
	}
	took, peak := time.Since(start), cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss // in kB on Linux
	g.t.Logf("the file has %.1f MB, nginx -t takes %.1f s and %d MB", float64(info.Size())/1e6, took.Seconds(), peak/1024)
}
