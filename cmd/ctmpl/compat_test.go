package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// TestTemplatesAgainstConsulTemplate renders each template of testdata/compat with
// consul-template and with ctmpl on one Consul, and compares bytes and exit codes.
// A template whose first line is a comment {{/* differs: … */}} differs on purpose.
func TestTemplatesAgainstConsulTemplate(t *testing.T) {
	t.Parallel()
	peer, err := servers.ConsulTemplatePath()
	if err != nil {
		t.Fatal(err)
	}
	ports, err := servers.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	// Peerings need gRPC with TLS.
	agent := servers.RunConsul(t, servers.ConsulOptions{Config: fmt.Sprintf("ports { grpc_tls = %d }", ports[0])})
	seed(t, agent.Client)
	seedPeers(t, agent.Client)
	data := t.TempDir()
	if err := os.WriteFile(filepath.Join(data, "file.txt"), []byte("from a file\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	cases, err := filepath.Glob("testdata/compat/*.tmpl")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".tmpl"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			text = bytes.ReplaceAll(text, []byte("DATA"), []byte(data))
			want := once(t, peer, agent.HTTPAddr, text)
			got := once(t, program(t), agent.HTTPAddr, text)
			if bytes.HasPrefix(text, []byte("{{/* differs: ")) {
				if cmp.Equal(want, got) {
					t.Error("does not differ any more: drop the comment")
				}
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-consul-template +ctmpl)\n%s", diff)
			}
			if strings.HasSuffix(path, "_error.tmpl") != (got.Code == exitRuntime) {
				t.Errorf("exit code %d, but the case is named %s", got.Code, filepath.Base(path))
			}
		})
	}
}

// rendering is what a run left behind.
type rendering struct {
	Code   int
	Output string // "none" without a file
}

// once renders a template with -once.
func once(t *testing.T, binary, addr string, text []byte) rendering {
	t.Helper()
	dir := t.TempDir()
	source, dest := filepath.Join(dir, "in.tmpl"), filepath.Join(dir, "out")
	if err := os.WriteFile(source, text, 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "-once", "-consul-addr", addr, "-template", source+":"+dest)
	cmd.Env = append(os.Environ(), "CT_TEST=from the environment", fastExit)
	log, err := cmd.CombinedOutput()
	r := rendering{Output: "none"}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		r.Code = exit.ExitCode()
	case err != nil:
		t.Fatalf("%s: %v", binary, err)
	}
	if ctx.Err() != nil {
		t.Fatalf("%s did not end:\n%s", binary, log)
	}
	if out, err := os.ReadFile(dest); err == nil {
		r.Output = string(out)
	}
	t.Logf("%s: exit code %d\n%s", filepath.Base(binary), r.Code, log)
	return r
}

// seed fills a catalog with what the cases need: several nodes, states of health,
// odd names, and keys.
func seed(t *testing.T, c *api.Client) {
	t.Helper()
	for _, r := range seedServices() {
		if _, err := c.Catalog().Register(r, nil); err != nil {
			t.Fatal(err)
		}
	}
	for key, value := range map[string]string{
		"app/name": "ctmpl", "app/empty": "", "app/deep/x": "1", "app/deep/y/z": "2", "app/folder/": "", "application": "other",
		"conf/flat": "a", "conf/flat2": "b c", "conf/db/host": "db.example.com", "conf/db/port": "5432",
		"odd/with space": "s", "odd/ü": "u", "odd/a=b&c": "e", "odd/100%": "p", "odd/a+b": "+", "odd/a:b": ":", "odd/value": "ü\n\t\"quoted\" {{no}}",
	} {
		if _, err := c.KV().Put(&api.KVPair{Key: key, Value: []byte(value), Flags: uint64(len(value))}, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// seedPeers adds clusters that are not connected yet, and what they may use.
func seedPeers(t *testing.T, c *api.Client) {
	t.Helper()
	for _, peer := range []string{"west", "east"} {
		token := api.PeeringGenerateTokenRequest{PeerName: peer, Meta: map[string]string{"a": peer}}
		if _, _, err := c.Peerings().GenerateToken(t.Context(), token, nil); err != nil {
			t.Fatal(err)
		}
	}
	entry := &api.ExportedServicesConfigEntry{Name: "default", Services: []api.ExportedService{
		{Name: "web", Consumers: []api.ServiceConsumer{{Peer: "west"}, {Peer: "east"}}},
		{Name: "api", Consumers: []api.ServiceConsumer{{Peer: "east"}}},
	}}
	if _, _, err := c.ConfigEntries().Set(entry, nil); err != nil {
		t.Fatal(err)
	}
}

func seedServices() []*api.CatalogRegistration {
	var all []*api.CatalogRegistration
	add := func(node, name, id string, port int, status string, change func(*api.AgentService)) {
		s := &api.AgentService{ID: id, Service: name, Port: port, Tags: []string{"http"}}
		if change != nil {
			change(s)
		}
		r := &api.CatalogRegistration{
			Node: node, Address: "10.0.0." + fmt.Sprint(int(node[len(node)-1]-'a')+1), Service: s,
			NodeMeta: map[string]string{"rack": "r-" + node}, TaggedAddresses: map[string]string{"lan": "10.0.0.9"},
		}
		if status != "" {
			r.Checks = api.HealthChecks{{Node: node, CheckID: "c:" + id, Name: "check", Status: status, Output: "said " + status, ServiceID: id, ServiceName: name}}
		}
		all = append(all, r)
	}
	add("node-b", "web", "web-1", 8080, "passing", func(s *api.AgentService) {
		s.Tags = []string{"http", "blue", "v1.2"}
		s.Meta = map[string]string{"version": "v1", "weight": "10"}
	})
	add("node-a", "web", "web-2", 8081, "passing", func(s *api.AgentService) {
		s.Tags = []string{"http", "green", "a=b"}
		s.Address = "192.168.1.2"
		s.Meta = map[string]string{"version": "v2", "weight": "5"}
		s.Weights = api.AgentWeights{Passing: 7, Warning: 2}
		s.TaggedAddresses = map[string]api.ServiceAddress{"wan": {Address: "1.2.3.4", Port: 80}}
	})
	add("node-a", "web", "web-0", 8080, "warning", nil)
	add("node-a", "web", "web-3", 8082, "critical", nil)
	add("node-c", "web", "web-4", 8083, "", nil)
	add("node-c", "api", "api-1", 9000, "passing", func(s *api.AgentService) { s.Meta = map[string]string{"b": "2", "a": "1"} })
	add("node-c", "under_score", "us", 1, "", nil)
	add("node-c", "UPPER", "up", 2, "", func(s *api.AgentService) { s.Tags = nil })
	add("node-c", "tcpfront-9999", "t1", 9999, "passing", func(s *api.AgentService) { s.Tags = []string{"tcp"} })
	add("node-c", "idle", "idle-1", 3, "critical", nil)
	proxy := func(s *api.AgentService) {
		s.Kind, s.Proxy = api.ServiceKindConnectProxy, &api.AgentServiceConnectProxyConfig{DestinationServiceName: "web"}
		s.Meta = map[string]string{"for": "web"}
	}
	add("node-b", "web-sidecar-proxy", "web-1-proxy", 21000, "passing", proxy)
	add("node-a", "web-sidecar-proxy", "web-2-proxy", 21001, "warning", proxy)
	add("node-a", "other-proxy", "web-3-proxy", 21002, "", func(s *api.AgentService) { proxy(s); s.Tags = []string{"green", "blue"} })
	add("node-c", "native", "native-1", 7000, "passing", func(s *api.AgentService) { s.Connect = &api.AgentServiceConnect{Native: true} })
	all = append(all, &api.CatalogRegistration{
		Node: "node-b", Address: "10.0.0.2", SkipNodeUpdate: true,
		Service: &api.AgentService{ID: "web-5", Service: "web", Port: 8084},
		Checks: api.HealthChecks{
			{Node: "node-b", CheckID: "_service_maintenance:web-5", Name: "maintenance", Status: "critical", ServiceID: "web-5", ServiceName: "web"},
		},
	})
	return all
}
