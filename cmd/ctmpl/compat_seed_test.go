package main

import (
	"fmt"
	"testing"

	"github.com/hashicorp/consul/api"
)

// seed fills a catalog with what the cases need: several nodes, states of health,
// odd names, and keys.
func seed(t *testing.T, c *api.Client) {
	t.Helper()
	for _, r := range seedServices() {
		if _, err := c.Catalog().Register(r, nil); err != nil {
			t.Fatal(err)
		}
	}
	for key, value := range seedKeys() {
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

func seedKeys() map[string]string {
	return map[string]string{
		"app/name": "ctmpl", "app/empty": "", "app/deep/x": "1", "app/deep/y/z": "2", "app/folder/": "", "application": "other",
		"conf/flat": "a", "conf/flat2": "b c", "conf/db/host": "db.example.com", "conf/db/port": "5432",
		"odd/with space": "s", "odd/ü": "u", "odd/a=b&c": "e", "odd/100%": "p", "odd/a+b": "+", "odd/a:b": ":", "odd/value": "ü\n\t\"quoted\" {{no}}",
		"cfg/json": `{"debug": true, "ports": [80, 443], "db": {"host": "db.example.com", "port": 5432}, "ratio": 0.5, "none": null, "big": 12345678901}`,
		"cfg/yaml": "debug: yes\nports: [80, 443]\ndb:\n  host: db.example.com\n  port: 5432\nhosts:\n- name: a\n  ip: 10.0.0.1\n- name: b\n",
		"cfg/list": "a, b,c,,d", "cfg/map": "a=1;b=2=3;c;=4", "cfg/true": "true", "cfg/int": "42", "cfg/float": "1.25", "cfg/padded": " \t x \n",
		"cfg/html": `<a href="x?a=1&b=2">it's</a>`, "cfg/lines": "one\n  two\n\nfour\n", "cfg/base64": "aGVsbG8/Pg==", "cfg/bytes": "a\xff\x00b",
		"svc/web/port": "8080", "svc/web/hosts/a": "a.example.com", "svc/web/hosts/b": "b.example.com", "svc/api/port": "9000", "svc/lone": "1",
		"clash/a": "1", "clash/a/b": "2", "clash/z": "3", "dots/a.b": "1", "dots/a.c/d-e": "2", "numbers/10": "ten", "numbers/9": "nine", "numbers/010": "zero ten",
		"ssl/example.com/crt": "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", "ssl/example.com/key": "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----",
		"ssl/example.org/crt": "-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n", "ssl/example.org/key": "secret",
		"pg_hba/10-local": "local all postgres peer", "pg_hba/20-net": "host all all 10.0.0.0/8 scram-sha-256", "pg_hba/30-none": "",
		"users/alice/role": "admin", "users/alice/uid": "1001", "users/bob/role": "dev", "users/bob/uid": "1002",
		"alerts/cpu/high": "expr: cpu > 0.9\nfor: 5m\n", "alerts/cpu/low": "expr: cpu < 0.1", "alerts/disk/full": "expr: disk > 0.95\nlabels:\n  severity: page\n",
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
	add("node-a", "db", "db-1", 5432, "passing", func(s *api.AgentService) { s.Tags = []string{"primary"} })
	add("node-b", "db", "db-1", 5433, "passing", func(s *api.AgentService) { s.Tags = []string{"replica", "v1.2", "a b", "ü"} })
	add("node-d", "db", "db-0", 5432, "passing", func(s *api.AgentService) { s.Tags = []string{"replica"} })
	add("node-e", "cache", "cache-2", 6379, "warning", func(s *api.AgentService) {
		s.Tags, s.Address = []string{"urlprefix-/cache", "traefik.enable=true", "traefik.http.routers.cache.rule=Host(`c`)"}, "fd00::5"
		s.Meta = map[string]string{"shard": "10", "zone": "eu west/1", "empty": ""}
	})
	add("node-e", "cache", "cache-1", 0, "passing", func(s *api.AgentService) { s.Meta = map[string]string{"shard": "9", "zone": "us"} })
	add("node-e", "cache", "cache-3", 6380, "passing", func(s *api.AgentService) { s.Weights = api.AgentWeights{Passing: 3, Warning: 1} })
	add("node-e", "my.dotted.service", "dotted", 4, "passing", func(s *api.AgentService) { s.Tags = []string{"z", "a", "m", "a"} })
	add("node-e", "v2", "v2", 5, "", nil)
	all = append(all, nodeCheck("node-d", "_node_maintenance", "critical"), nodeCheck("node-e", "ping", "passing"), nodeCheck("node-e", "disk", "warning"))
	all = append(all, &api.CatalogRegistration{
		Node: "node-b", Address: "10.0.0.2", SkipNodeUpdate: true,
		Service: &api.AgentService{ID: "web-5", Service: "web", Port: 8084},
		Checks: api.HealthChecks{
			{Node: "node-b", CheckID: "_service_maintenance:web-5", Name: "maintenance", Status: "critical", ServiceID: "web-5", ServiceName: "web"},
		},
	})
	return all
}

// nodeCheck adds a check that counts for all services on a node.
func nodeCheck(node, id, status string) *api.CatalogRegistration {
	return &api.CatalogRegistration{
		Node: node, SkipNodeUpdate: true,
		Checks: api.HealthChecks{{Node: node, CheckID: id, Name: id, Status: status, Notes: "of the node"}},
	}
}
