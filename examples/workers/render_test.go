package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write testdata anew")

// ctmplBinary builds ctmpl for a test.
func ctmplBinary(t *testing.T) string {
	t.Helper()
	binary, err := build(t.Context(), t.TempDir(), "cmd/ctmpl")
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// dry renders the template of this directory with a catalog, without Consul.
func dry(t *testing.T, binary, catalog string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, append([]string{"-once", "-dry", "-config", "ctmpl.hcl", "-catalog", catalog}, args...)...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", cmd, err)
	}
	return string(out)
}

// TestWithoutConsul has the catalog of the README give what is kept in testdata.
func TestWithoutConsul(t *testing.T) {
	t.Parallel()
	got := dry(t, ctmplBinary(t), "catalog.hcl", "-var", "stale=1e10")
	golden(t, "workers.conf", got)
}

// golden compares a text with what is kept.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
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
		t.Errorf("%s (-want +got; go test -update writes it):\n%s", path, diff)
	}
}

// compareFile compares what nginx reads (-T) with what is kept.
func compareFile(t *testing.T, s *story) {
	t.Helper()
	args := s.nginx.Args("-T")
	out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).Output()
	if err != nil {
		t.Fatalf("nginx -T: %v", err)
	}
	places := []string{s.dir, "DIR", "listen " + s.addr, "listen 127.0.0.1:80"}
	for _, k := range s.workers {
		places = append(places, k.addr, strings.TrimPrefix(k.id, "worker-")+":8080")
	}
	text := nodeName.ReplaceAllString(strings.NewReplacer(places...).Replace(string(out)), "$1 on NODE")
	golden(t, "nginx-T.conf", text)
}

var nodeName = regexp.MustCompile(`(# worker-\S+) on \S+`)

// TestWeights looks at the weight of each entry that a worker, or somebody else, may write.
func TestWeights(t *testing.T) {
	t.Parallel()
	binary := ctmplBinary(t) // which takes a while, before the entries are as old as they are to be
	now := time.Now()
	entry := func(load string, at time.Time) string { return fmt.Sprintf(`{"load":%s,"ts":%d}`, load, at.Unix()) }
	const unknown = 5
	cases := []struct {
		entry string
		want  int
	}{
		{entry("0", now), 10},
		{entry("9", now), 10},
		{entry("9.99", now), 10},
		{entry("10", now), 9},
		{entry("80", now), 2},
		{entry("89", now), 2},
		{entry("90", now), 1},
		{entry("100", now), 1},
		{entry("1e1", now), 9},
		{`{"ts":` + fmt.Sprint(now.Unix()) + `,"host":"a","load":0}`, 10},
		{" " + entry("0", now) + "\n", 10},

		{entry("0", now.Add(-15*time.Second)), 10},
		{entry("0", now.Add(-40*time.Second)), 1},
		{entry("0", now.AddDate(-1, 0, 0)), 1},
		{`{"load":0,"ts":-1e308}`, 1},
		{entry("0", now.Add(20*time.Second)), 10}, // clocks differ

		{"", unknown},
		{"busy", unknown},
		{"null", unknown},
		{"[]", unknown},
		{"42", unknown},
		{`"x"`, unknown},
		{"{", unknown},
		{"{}", unknown},
		{"\x00\xff; }", unknown},
		{`{"load":0}`, unknown},
		{`{"load":null,"ts":null}`, unknown},
		{entry("null", now), unknown},
		{entry(`"0"`, now), unknown},
		{entry(`"1; } server { listen 1"`, now), unknown},
		{entry("[0]", now), unknown},
		{entry("{}", now), unknown},
		{entry("-1", now), unknown},
		{entry("-0.1", now), unknown},
		{entry("100.1", now), unknown},
		{entry("1e308", now), unknown},
		{entry("1e999", now), unknown},
		{entry("NaN", now), unknown},
		{entry("0", now.Add(2*time.Minute)), unknown},
		{entry("0", now.AddDate(1, 0, 0)), unknown},
		{`{"load":0,"ts":1e308}`, unknown},
		{`{"load":0,"ts":1e999}`, unknown},
		{`{"load":0,"ts":"` + fmt.Sprint(now.Unix()) + `"}`, unknown},
	}
	var services []map[string]any
	keys := map[string]string{}
	for i, c := range cases {
		services = append(services, map[string]any{"name": "worker", "id": fmt.Sprintf("w-%d", i), "address": "10.0.0.1", "port": i + 1})
		keys[fmt.Sprintf("worker/10.0.0.1:%d", i+1)] = c.entry
	}
	services = append(services, map[string]any{"name": "worker", "id": "none", "address": "10.0.0.2", "port": 1})
	bad := map[string]any{"name": "worker", "id": "bad", "address": "169.254.169.254", "port": 1} // nginxAddress refuses it
	weights := renderedWeights(t, binary, append(services, bad), keys)
	if len(weights) != len(services) {
		t.Errorf("%d workers have a weight, want %d: %v", len(weights), len(services), weights)
	}
	for i, c := range cases {
		if got := weights[fmt.Sprintf("w-%d", i)]; got != c.want {
			t.Errorf("%q: weight %d, want %d", c.entry, got, c.want)
		}
	}
	if got := weights["none"]; got != unknown {
		t.Errorf("no entry: weight %d, want %d", got, unknown)
	}
}

// renderedWeights gives what the template makes of a catalog.
func renderedWeights(t *testing.T, binary string, services []map[string]any, keys map[string]string) map[string]int {
	t.Helper()
	text, err := json.Marshal(map[string]any{"service": services, "kv": keys})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	catalog, conf := filepath.Join(dir, "catalog.json"), filepath.Join(dir, "workers.conf")
	if err := os.WriteFile(catalog, text, 0o644); err != nil {
		t.Fatal(err)
	}
	out := dry(t, binary, catalog)
	if err := os.WriteFile(conf, []byte(out), 0o644); err != nil {
		t.Fatal(err)
	}
	weights, err := (&world{conf: conf}).weights()
	if err != nil {
		t.Fatal(err)
	}
	return weights
}
