package main

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write nginx's file to testdata")

// compareFile compares what nginx reads (-T) for three servers with what is kept.
func compareFile(t *testing.T, s *story) {
	t.Helper()
	args := s.nginx.Args("-T")
	out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).Output()
	if err != nil {
		t.Fatalf("nginx -T: %v", err)
	}
	golden := filepath.Join("testdata", "nginx-T.conf")
	got := s.shown(string(out))
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("nginx reads not %s (-update writes it anew) but\n%s", golden, got)
	}
}

var listens = regexp.MustCompile(`listen 127\.0\.0\.1:\d+`)

// shown takes what differs from run to run out of nginx's file.
func (s *story) shown(text string) string {
	for name, srv := range s.servers {
		text = strings.ReplaceAll(text, srv.addr, "127.0.0.1:PORT-"+name)
	}
	text = strings.ReplaceAll(text, s.addr, "127.0.0.1:PORT-grpc")
	text = strings.ReplaceAll(text, s.dir, "DIR")
	return listens.ReplaceAllString(text, "listen 127.0.0.1:PORT-http")
}

// TestWithoutConsul runs what the README says, with the services of catalog.hcl.
func TestWithoutConsul(t *testing.T) {
	t.Parallel()
	binary, err := buildCtmpl(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), binary, "-once", "-dry", "-config", "ctmpl.hcl", "-catalog", "catalog.hcl").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"server 10.0.0.1:9000; # hello-1 on node-1", "server 10.0.0.2:9000; # hello-2 on node-2", "grpc_pass grpc://_route.hello;", "server_name hello.example.com;"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.Contains(string(out), "10.0.0.3") {
		t.Errorf("the server that is critical is there:\n%s", out)
	}
}
