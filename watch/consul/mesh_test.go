package consul_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/internal/servers"
	"github.com/ctmpl/ctmpl/watch"
	"github.com/ctmpl/ctmpl/watch/consul"
)

// An agent gives the first answer without regard to the tag, and later ones with it.
func TestConnectSelectsByTag(t *testing.T) {
	t.Parallel()
	const proxies = `[{"Node":{"Node":"n1","Address":"10.0.0.1"},"Service":{"ID":"p2","Service":"proxy","Kind":"connect-proxy","Tags":["v2"],"Port":2}},
		{"Node":{"Node":"n1","Address":"10.0.0.1"},"Service":{"ID":"p1","Service":"proxy","Kind":"connect-proxy","Tags":["V1"],"Port":1}}]`
	a := newAgent(t, map[string]reply{"/v1/health/connect/web?passing=1": {body: proxies}, "/v1/health/connect/web?passing=1&tag=v1": {body: proxies}})
	for arg, want := range map[string]string{"web": "p1 p2", "v1.web": "p1"} {
		var ids []string
		for _, i := range fetch(t, a.source(consul.Config{}), connect(arg), 0, time.Minute).Value.([]*watch.ServiceInstance) {
			if ids = append(ids, i.ID); i.Kind != "connect-proxy" || i.Name != "proxy" || i.Address != "10.0.0.1" {
				t.Errorf("%s: %+v", arg, i)
			}
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("%s gives %s, want %s", arg, got, want)
		}
	}
}

func TestDecodingOfTheMesh(t *testing.T) {
	t.Parallel()
	at := func(second int) time.Time { return time.Date(2026, 1, 2, 3, 4, second, 0, time.UTC) }
	beat := at(5)
	a := newAgent(t, map[string]reply{
		"/v1/agent/connect/ca/roots": {body: `{"ActiveRootID":"b","TrustDomain":"x.consul","Roots":[
			{"ID":"b","Name":"new","RootCert":"PEM b","Active":true,"NotAfter":"2036-01-02T03:04:05Z","IntermediateCerts":null,"CreateIndex":9,"ModifyIndex":10},
			{"ID":"a","Name":"old","RootCert":"PEM a","Active":false}]}`},
		"/v1/agent/connect/ca/leaf/web": {body: `{"SerialNumber":"0a","CertPEM":"CERT","PrivateKeyPEM":"KEY","Service":"web","ServiceURI":"spiffe://x/svc/web",
			"ValidAfter":"2026-01-02T03:04:05Z","ValidBefore":"2026-01-02T03:04:06Z","CreateIndex":1,"ModifyIndex":2}`},
		"/v1/peerings": {body: `[{"ID":"4","Name":"b","State":"PENDING"},{"ID":"3","Name":"a","Partition":"p","State":"PENDING"},{"ID":"2","Name":"a","State":"PENDING"},
			{"ID":"1","Name":"z","State":"ACTIVE","Meta":{"k":"v"},"PeerID":"i","PeerCAPems":["x"],"PeerServerName":"s","PeerServerAddresses":["1.1.1.1:8502"],
			 "StreamStatus":{"ImportedServices":["b","a"],"ExportedServices":[],"LastHeartbeat":"2026-01-02T03:04:05Z","LastReceive":null},
			 "Remote":{"Partition":"default","Datacenter":"dc2","Locality":{"Region":"r"}},"CreateIndex":5,"ModifyIndex":6}]`},
		"/v1/exported-services":             {body: `[{"Service":"web","Partition":"default","Namespace":"ns","Consumers":{"Peers":["west","east"]}},{"Service":"api","Consumers":{"Partitions":["p"]}}]`},
		"/v1/imported-services":             {body: `[{"Service":"web","SourcePeer":"east"},{"Service":"api","SourcePeer":"west"}]`},
		"/v1/imported-services?partition=p": {body: `{"Partition":"p","ImportedServices":[{"Service":"web","Namespace":"n","SourcePartition":"q"}]}`},
		"/v1/partitions":                    {body: `[{"Name":"p","CreateIndex":3},{"Name":"default","Description":"Builtin"}]`},
	})
	src := a.source(consul.Config{})
	for _, tc := range []struct {
		query watch.Query
		want  any
	}{
		{roots, []*watch.CARoot{{ID: "b", Name: "new", RootCertPEM: "PEM b", Active: true, CreateIndex: 9, ModifyIndex: 10}, {ID: "a", Name: "old", RootCertPEM: "PEM a"}}},
		{leaf("web"), &watch.LeafCert{SerialNumber: "0a", CertPEM: "CERT", PrivateKeyPEM: "KEY", Service: "web", ServiceURI: "spiffe://x/svc/web",
			ValidAfter: at(5), ValidBefore: at(6), CreateIndex: 1, ModifyIndex: 2}},
		{peerings(""), []*watch.Peering{
			{ID: "1", Name: "z", Meta: map[string]string{"k": "v"}, PeeringState: "ACTIVE", PeerID: "i", PeerServerName: "s", PeerServerAddresses: []string{"1.1.1.1:8502"},
				StreamStatus: watch.PeeringStreamStatus{ImportedServices: []string{"b", "a"}, ExportedServices: []string{}, LastHeartbeat: &beat},
				Remote:       watch.PeeringRemoteInfo{Partition: "default", Datacenter: "dc2"}},
			{ID: "2", Name: "a", PeeringState: "PENDING"}, {ID: "4", Name: "b", PeeringState: "PENDING"}, {ID: "3", Name: "a", Partition: "p", PeeringState: "PENDING"}}},
		{exported(""), []watch.ExportedService{
			{Service: "api", Consumers: watch.ResolvedConsumers{Peers: []string{}, Partitions: []string{"p"}}},
			{Service: "web", Consumers: watch.ResolvedConsumers{Peers: []string{"west", "east"}, Partitions: []string{}}}}},
		{imported(""), []watch.ImportedService{{Service: "api", SourcePeer: "west"}, {Service: "web", SourcePeer: "east"}}},
		{imported("p"), []watch.ImportedService{{Service: "web", Namespace: "n", SourcePartition: "q"}}},
		{partitions, []*watch.Partition{{Name: "default", Description: "Builtin"}, {Name: "p"}}},
	} {
		if diff := cmp.Diff(tc.want, fetch(t, src, tc.query, 0, time.Minute).Value); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tc.query, diff)
		}
	}
}

func TestPartitionsArePolled(t *testing.T) {
	t.Parallel()
	a := newAgent(t, map[string]reply{"/v1/partitions": {body: "[]"}})
	src := a.source(consul.Config{MaxStale: time.Second})
	const poll = 50 * time.Millisecond
	src.SetTimes(20*time.Second, poll)
	for after := range uint64(3) {
		start := time.Now()
		answer := fetch(t, src, partitions, after, time.Minute)
		if diff := cmp.Diff(watch.Answer{Value: []*watch.Partition{}, Version: after + 1}, answer); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		if took := time.Since(start); took < poll && after > 0 {
			t.Errorf("asked again after %s", took)
		}
	}
}

// Enterprise's endpoints, and later ones, are nothing that a Consul without them knows.
func TestQueriesThatNotEveryConsulKnows(t *testing.T) {
	t.Parallel()
	missing := reply{status: 404, body: "Invalid URL path: not a recognized HTTP API endpoint"}
	a := newAgent(t, map[string]reply{"/v1/partitions": missing, "/v1/imported-services": missing, "/v1/peerings": missing,
		"/v1/exported-services?partition=p": {status: 400, body: `Invalid query parameter: "partition" - Partitions are a Consul Enterprise feature`}})
	src := a.source(consul.Config{})
	const unknown = "this Consul does not know the query (HTTP status 404): "
	fails(t, src, partitions, unknown+"partitions are part of Consul Enterprise", false)
	fails(t, src, imported(""), unknown+"a later version of Consul lists imported services", false)
	fails(t, src, peerings(""), "HTTP status 404: Invalid URL path: not a recognized HTTP API endpoint", false)
	fails(t, src, exported("p"), `HTTP status 400: Invalid query parameter: "partition" - Partitions are a Consul Enterprise feature`, false)
}

// A private key is not in what is said of an answer that cannot be used.
func TestPrivateKeyIsInNoError(t *testing.T) {
	t.Parallel()
	key := `"PrivateKeyPEM":"` + secret + `\n` + secret + `"`
	for body, want := range map[string]string{
		`{"CertPEM":"c",` + key:                              "the answer is cut off",
		`{"CertPEM":"c",` + key[:len(key)-3]:                 "the answer is cut off",
		`{` + key + `,"ModifyIndex":"x"}`:                    "the answer is not Consul's: json: cannot unmarshal string into Go struct field LeafCert.ModifyIndex of type uint64",
		`{` + key + `,"ValidAfter":"today"}`:                 "the answer is not Consul's: parsing time *",
		`{` + key + ` ` + secret + `}`:                       "the answer is not Consul's: invalid character *",
		`[{` + key + `}]`:                                    "the answer is not Consul's: json: cannot unmarshal array into Go value of type api.LeafCert",
		`{"PrivateKeyPEM":["` + secret + `"]}`:               "the answer is not Consul's: json: cannot unmarshal array into Go struct field LeafCert.PrivateKeyPEM of type string",
		`{"PrivateKeyPEM":"` + secret + "\n" + secret + `"}`: "the answer is not Consul's: invalid character *",
	} {
		a := newAgent(t, map[string]reply{"/v1/agent/connect/ca/leaf/web": {body: body}})
		fails(t, a.source(consul.Config{}), leaf("web"), want, false)
	}
}

// What no catalog file can stand in for, asked of an agent: each is held while nothing
// changes, and a new authority is told of.
func TestMeshOfAnAgent(t *testing.T) {
	t.Parallel()
	agent := servers.RunConsul(t, servers.ConsulOptions{})
	src := newSource(t, consul.Config{Address: agent.HTTPAddr, MaxStale: 2 * time.Second, Connections: 20})
	before := fetch(t, src, roots, 0, 0)
	if list := before.Value.([]*watch.CARoot); len(list) != 1 || !list[0].Active || !strings.Contains(list[0].RootCertPEM, "BEGIN CERTIFICATE") {
		t.Errorf("roots: %+v", list)
	}
	cert := fetch(t, src, leaf("web"), 0, 0).Value.(*watch.LeafCert)
	if cert.Service != "web" || !strings.Contains(cert.PrivateKeyPEM, "PRIVATE KEY") || time.Until(cert.ValidBefore) < time.Hour {
		t.Errorf("the certificate of %s is valid until %s", cert.Service, cert.ValidBefore)
	}
	for _, q := range []watch.Query{roots, leaf("web"), peerings(""), exported("")} {
		const hold = 100 * time.Millisecond
		first, start := fetch(t, src, q, 0, 0), time.Now()
		again := fetch(t, src, q, first.Version, hold)
		if diff := cmp.Diff(first, again); diff != "" || time.Since(start) < hold {
			t.Errorf("%s: after %s (-first +blocking)\n%s", q, time.Since(start), diff)
		}
	}
	config := &api.CAConfig{Provider: "consul", Config: map[string]any{"PrivateKeyType": "ec", "PrivateKeyBits": 384}}
	if _, err := agent.Client.Connect().CASetConfig(config, nil); err != nil {
		t.Fatal(err)
	}
	if list := fetch(t, src, roots, before.Version, deadline/2).Value.([]*watch.CARoot); len(list) != 2 {
		t.Errorf("%d roots after a change of the authority", len(list))
	}
}
