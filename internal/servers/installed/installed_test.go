package installed

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPinned(t *testing.T) {
	const gomod = `module example.com/m

go 1.26.0

tool github.com/hashicorp/consul

require honnef.co/go/tools v0.8.2

require (
	github.com/hashicorp/consul/api v1.2.3 // indirect
	github.com/hashicorp/consul v1.20.1 // indirect
)
`
	for module, want := range map[string]string{
		"github.com/hashicorp/consul": "1.20.1",
		"honnef.co/go/tools":          "0.8.2",
	} {
		if got, ok := pinned(gomod, module); !ok || got != want {
			t.Errorf("pinned(%s) = %q, %v; want %q", module, got, ok, want)
		}
	}
	if got, ok := pinned(gomod, "github.com/hashicorp"); ok {
		t.Errorf("pinned(github.com/hashicorp) = %q, want none", got)
	}
}

func TestEveryToolIsPinned(t *testing.T) {
	for _, tool := range Tools() {
		path, err := tool.Path()
		if err != nil {
			t.Error(err)
			continue
		}
		version, _ := tool.Version()
		if base := filepath.Base(path); base != tool.Name+"-"+version {
			t.Errorf("%s is at %s", tool.Name, base)
		}
	}
}

func TestMissingToolSaysWhatToRun(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", "")
	_, err := Consul.Find()
	if err == nil {
		t.Fatal("found a consul in an empty home")
	}
	version, _ := Consul.Version()
	want := "consul " + version + ` is not built: run "make test" (or go run ./internal/tools/install consul)`
	if err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
}

func TestFindToolAfterChdir(t *testing.T) {
	t.Chdir(t.TempDir())
	if _, err := Consul.Version(); err != nil {
		t.Error(err)
	}
}

// fakeNginx puts a script into PATH that answers -V with the text.
func fakeNginx(t *testing.T, text string) {
	t.Helper()
	dir := t.TempDir()
	script := "#!/bin/sh\ncat >&2 <<'END'\n" + text + "\nEND\n"
	if err := os.WriteFile(filepath.Join(dir, "nginx"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

func TestNginxStream(t *testing.T) {
	modules := t.TempDir()
	so := filepath.Join(modules, "ngx_stream_module.so")
	if err := os.WriteFile(so, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct{ built, module string }{
		"shared":      {"--with-stream=dynamic --modules-path=" + modules, so},
		"compiled in": {"--with-compat --with-stream --with-stream_ssl_module", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			fakeNginx(t, "nginx version: nginx/1.22.1 (Test)\nconfigure arguments: "+tt.built)
			n, err := FindNginx(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if n.StreamModule != tt.module || n.Version != "1.22.1" {
				t.Errorf("got %+v", n)
			}
		})
	}
}

func TestModuleDirs(t *testing.T) {
	got := strings.Join(moduleDirs("configure arguments: --prefix=/etc/nginx --modules-path=/a"), " ")
	if want := "/a /etc/nginx/modules /usr/lib/nginx/modules"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
