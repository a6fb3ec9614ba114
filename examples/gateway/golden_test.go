package main

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write nginx's file to testdata")

// compareFile compares what nginx reads (-T) with what is kept.
func compareFile(t *testing.T, s *story) {
	t.Helper()
	args := s.nginx.Args("-T")
	out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).Output()
	if err != nil {
		t.Fatalf("nginx -T: %v", err)
	}
	golden, got := filepath.Join("testdata", "nginx-T.conf"), s.normal(string(out))
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(readFile(t, golden), got); diff != "" {
		t.Errorf("%s (-want +got; go test -update writes it):\n%s", golden, diff)
	}
}

var instancePort = regexp.MustCompile(`(server 127\.0\.0\.\d+):2\d{4} `)

// normal takes what differs from run to run out of nginx's file, and the files that the
// system has to load modules.
func (s *story) normal(text string) string {
	const mark = "# configuration file "
	file, _, _ := strings.Cut(strings.TrimPrefix(text, mark), mark)
	file = strings.NewReplacer(
		s.dir, "DIR", strconv.Itoa(s.ports.http), "80", strconv.Itoa(s.ports.tls), "8443", strconv.Itoa(s.ports.tcp), "9999",
	).Replace(mark + file)
	return strings.TrimSpace(instancePort.ReplaceAllString(file, "$1:PORT ")) + "\n"
}
