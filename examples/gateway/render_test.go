package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// rendering renders templates with ctmpl and with consul-template from one Consul.
type rendering struct {
	consul    *servers.Consul
	ctmpl     string
	reference string // consul-template
}

func newRendering(t *testing.T) *rendering {
	t.Helper()
	r := &rendering{}
	var err error
	if r.ctmpl, err = buildCtmpl(t.Context(), t.TempDir()); err != nil {
		t.Fatal(err)
	}
	if r.reference, err = servers.ConsulTemplatePath(); err != nil {
		t.Fatal(err)
	}
	r.consul = servers.RunConsul(t, servers.ConsulOptions{})
	return r
}

// render gives what program makes of a template.
func (r *rendering) render(t *testing.T, program, template string, env []string) string {
	t.Helper()
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	if err := os.WriteFile(in, []byte(template), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := r.run(t, program, in, out, env); err != nil {
		t.Fatal(err)
	}
	return readFile(t, out)
}

func (r *rendering) run(t *testing.T, program, in, out string, env []string) error {
	return runOnce(t.Context(), filepath.Dir(out), program, env, "-consul-addr="+r.consul.HTTPAddr, "-template", in+":"+out)
}

// same gives what both programs make of a template, which has to be the same.
func (r *rendering) same(t *testing.T, template string, env []string) string {
	t.Helper()
	got, want := r.render(t, r.ctmpl, template, env), r.render(t, r.reference, template, env)
	if got != want {
		t.Errorf("ctmpl renders\n%s\nconsul-template renders\n%s", got, want)
	}
	return got
}

// fill makes the catalog hold exactly these services.
func (r *rendering) fill(t *testing.T, services []service) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for _, svc := range services {
		if err := svc.register(ctx, r.consul, nil); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := svc.deregister(context.Background(), r.consul); err != nil {
				t.Error(err)
			}
		})
	}
	// The agent tells the catalog a moment later.
	err := servers.Wait(ctx, func() error {
		node, _, err := r.consul.Client.Catalog().Node(r.consul.Node, nil)
		if err == nil && len(node.Services) != len(services)+1 { // and Consul itself
			err = fmt.Errorf("the catalog has %d services", len(node.Services))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// catalog is what TestRenderings fills Consul with.
type catalog struct {
	name     string
	services []service
	// refused says that nginx cannot use what the templates make of it.
	refused bool
}

func catalogs(t *testing.T) []catalog {
	t.Helper()
	ports, err := servers.FreePorts(6)
	if err != nil {
		t.Fatal(err)
	}
	name := func(format string, i int) string { return fmt.Sprintf(format, ports[i]) }
	http, tcp := []string{"http"}, []string{"tcp"}
	return []catalog{
		{name: "no service"},
		{name: "untagged", services: instances("httpbackend", nil, 2)},
		{name: "several services", services: join(
			instances("httpfront", http, 3), instances("shop", []string{"v1", "http"}, 2), instances("httpbackend", nil, 2),
			instances(name("tcpfront-%d", 0), tcp, 2), instances(name("tlsfront-%d", 1), tcp, 1),
		)},
		{name: "odd names", services: join(
			instances("Web_Shop", http, 1), instances("a--b", http, 1), instances(strings.Repeat("long", 15), http, 1),
			instances(name("UPPER-%d", 2), tcp, 1), instances(name("mail-%d-in", 3), tcp, 2), instances(name("both-%d", 4), []string{"tcp", "http"}, 1),
		)},
		// A dot parts a tag from a service: service "api.v2" asks for v2 with the tag api.
		{name: "dotted names", services: join(instances("v2", []string{"api"}, 1), instances("api.v2", http, 1))},
		{name: "nobody with that tag", services: instances("api.v3", http, 1), refused: true},
		{name: "odd addresses", services: []service{
			{name: "own", container: "own-1", tags: http, address: "", port: 80},
			{name: "six", container: "six-1", tags: http, address: "::1", port: 80},
			{name: "web", container: "web-1", tags: http, address: "no.such.host.invalid", port: 80},
			{name: "zero", container: "zero-1", tags: http, address: "127.0.0.1"},
		}, refused: true},
		{name: "not a port", services: instances("front-end", tcp, 1), refused: true},
	}
}

// instances gives n instances of a service.
func instances(name string, tags []string, n int) []service {
	var list []service
	for i := 1; i <= n; i++ {
		list = append(list, service{name: name, container: fmt.Sprintf("%s-%d", name, i), inner: 8080, tags: tags, address: "127.0.0.1", port: 32768 + i})
	}
	return list
}

func join(lists ...[]service) []service {
	var all []service
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}

// TestRenderings compares ctmpl with consul-template byte for byte, and has nginx
// check the result.
func TestRenderings(t *testing.T) {
	t.Parallel()
	r := newRendering(t)
	parts := []string{readFile(t, "testdata/http.tmpl"), readFile(t, "testdata/stream.tmpl")}
	for _, c := range catalogs(t) {
		t.Run(c.name, func(t *testing.T) {
			r.fill(t, c.services)
			onSystem := r.same(t, string(templateText), nil)
			for _, part := range parts {
				if want := r.render(t, r.reference, part, nil); !strings.Contains(onSystem, want) {
					t.Errorf("the file\n%s\ndoes not hold what the field's template gives\n%s", onSystem, want)
				}
			}
			dir, addr := t.TempDir(), freeAddr(t)
			checkConf(t, dir, r.same(t, string(templateText), gatewayEnv(dir, addr)), c.refused)
		})
	}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	port, err := servers.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return "127.0.0.1:" + strconv.Itoa(port)
}

// checkConf runs nginx -t.
func checkConf(t *testing.T, dir, text string, refused bool) {
	t.Helper()
	found, err := servers.FindNginx(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), found.Path, "-t", "-p", dir, "-c", conf, "-g", servers.Globals(text, dir, found)).CombinedOutput()
	if refused != (err != nil) {
		t.Errorf("nginx -t: %v, want an error: %t\n%s\n%s", err, refused, out, text)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestVerbatim wants the field's templates in the file as they are, but for the port
// of http.
func TestVerbatim(t *testing.T) {
	t.Parallel()
	text := strings.ReplaceAll(string(templateText), `{{envOrDefault "GATEWAY_LISTEN" "80"}}`, "80")
	for _, path := range []string{"testdata/http.tmpl", "testdata/stream.tmpl"} {
		if part := readFile(t, path); !strings.Contains(text, part) {
			t.Errorf("nginx.conf.tmpl does not hold %s:\n%s", path, part)
		}
	}
}

// TestUnreadableName shows what one service does whose name cannot be asked for, even
// without a tag: neither program renders anything.
func TestUnreadableName(t *testing.T) {
	t.Parallel()
	r := newRendering(t)
	r.fill(t, append(instances("größe", nil, 1), instances("httpfront", []string{"http"}, 1)...))
	template, err := filepath.Abs("nginx.conf.tmpl")
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{r.ctmpl, r.reference} {
		out := filepath.Join(t.TempDir(), "out")
		err := r.run(t, program, template, out, nil)
		if err == nil || !strings.Contains(err.Error(), "größe") {
			t.Errorf("%s: the error does not name the service: %v", program, err)
		}
		if _, err := os.Stat(out); err == nil {
			t.Errorf("%s has rendered something", program)
		}
	}
}
