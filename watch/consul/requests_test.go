package consul_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/watch"
	"github.com/ctmpl/ctmpl/watch/consul"
)

func TestRequests(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		query watch.Query
		path  string
		args  string // beyond index, stale and wait, as they are sorted among those
		body  string
	}{
		{service("web"), "/v1/health/service/web", "index=7&passing=1&stale=&wait=60000ms", "[]"},
		{service("web|passing,warning"), "/v1/health/service/web", "index=7&stale=&wait=60000ms", "[]"},
		{service("a.b.web|any"), "/v1/health/service/web", "index=7&stale=&tag=a.b&wait=60000ms", "[]"},
		{service("k=v:w.web?ns=n&partition=p&peer=q@dc2~_agent"), "/v1/health/service/web",
			"dc=dc2&index=7&near=_agent&ns=n&partition=p&passing=1&peer=q&stale=&tag=k%3Dv%3Aw&wait=60000ms", "[]"},
		{service("web?sameness-group=g"), "/v1/health/service/web", "index=7&passing=1&sameness-group=g&stale=&wait=60000ms", "[]"},
		{services(""), "/v1/catalog/services", "index=7&stale=&wait=60000ms", "{}"},
		{services("?ns=n@dc2"), "/v1/catalog/services", "dc=dc2&index=7&ns=n&stale=&wait=60000ms", "{}"},
		{nodes(""), "/v1/catalog/nodes", "index=7&stale=&wait=60000ms", "[]"},
		{nodes("?partition=p@dc2~n1"), "/v1/catalog/nodes", "dc=dc2&index=7&near=n1&partition=p&stale=&wait=60000ms", "[]"},
		{node("n1.x@dc2"), "/v1/catalog/node/n1.x", "dc=dc2&index=7&stale=&wait=60000ms", "null"},
		{key("a/b"), "/v1/kv/a/b", "index=7&stale=&wait=60000ms", "[]"},
		{key("a b%c+ü?ns=n@dc2"), "/v1/kv/a%20b%25c+%C3%BC", "dc=dc2&index=7&ns=n&stale=&wait=60000ms", "[]"},
		{lookup("a"), "/v1/kv/a", "index=7&stale=&wait=60000ms", "[]"},
		{prefix("a/"), "/v1/kv/a/", "index=7&recurse=&stale=&wait=60000ms", "[]"},
		{prefix("a@dc2"), "/v1/kv/a", "dc=dc2&index=7&recurse=&stale=&wait=60000ms", "[]"},
		{prefix("/"), "/v1/kv/", "index=7&recurse=&stale=&wait=60000ms", "[]"},
		{connect("web"), "/v1/health/connect/web", "index=7&passing=1&stale=&wait=60000ms", "[]"},
		{connect("v1.web?ns=n&peer=q@dc2~n1|any"), "/v1/health/connect/web", "dc=dc2&index=7&near=n1&ns=n&peer=q&stale=&tag=v1&wait=60000ms", "[]"},
		{roots, "/v1/agent/connect/ca/roots", "index=7&stale=&wait=60000ms", "{}"},
		{leaf("web"), "/v1/agent/connect/ca/leaf/web", "index=7&stale=&wait=60000ms", "{}"},
		{leaf("a b?c"), "/v1/agent/connect/ca/leaf/a%20b%3Fc", "index=7&stale=&wait=60000ms", "{}"},
		{peerings(""), "/v1/peerings", "index=7&stale=&wait=60000ms", "[]"},
		{peerings("?partition=p&ns=n"), "/v1/peerings", "index=7&partition=p&stale=&wait=60000ms", "[]"},
		{exported(""), "/v1/exported-services", "index=7&stale=&wait=60000ms", "[]"},
		{exported("a&b"), "/v1/exported-services", "index=7&partition=a%26b&stale=&wait=60000ms", "[]"},
		{imported("p"), "/v1/imported-services", "index=7&partition=p&stale=&wait=60000ms", "[]"},
	} {
		t.Run(tc.query.String(), func(t *testing.T) {
			t.Parallel()
			uri := tc.path + "?" + tc.args
			a := newAgent(t, map[string]reply{uri: {body: tc.body, index: "12"}})
			answer := fetch(t, a.source(consul.Config{MaxStale: 2 * time.Second}), tc.query, 7, time.Minute)
			if answer.Version != 12 {
				t.Errorf("version %d, want 12", answer.Version)
			}
			a.wants(uri)
		})
	}
}

func TestFirstRequestDoesNotWait(t *testing.T) {
	t.Parallel()
	a := newAgent(t, map[string]reply{"/v1/kv/a": {body: "[]", index: "3"}, "/v1/kv/a?stale=": {body: "[]", index: "4"}})
	if v := fetch(t, a.source(consul.Config{}), lookup("a"), 0, time.Minute).Version; v != 3 {
		t.Errorf("version %d", v)
	}
	fetch(t, a.source(consul.Config{MaxStale: 1}), lookup("a"), 0, time.Minute)
	a.wants("/v1/kv/a", "/v1/kv/a?stale=")
}

func TestHoldIsPassedOn(t *testing.T) {
	t.Parallel()
	a := newAgent(t, map[string]reply{"/v1/kv/a?index=1&wait=312ms": {body: "[]"}, "/v1/kv/a?index=1&wait=1ms": {body: "[]"}})
	src := a.source(consul.Config{})
	if v := fetch(t, src, lookup("a"), 1, 312*time.Millisecond).Version; v != 0 {
		t.Errorf("version %d without an index in the answer", v)
	}
	fetch(t, src, lookup("a"), 1, time.Microsecond) // 0 would be Consul's five minutes
}

func TestNamespaceAndToken(t *testing.T) {
	t.Parallel()
	a := newAgent(t, map[string]reply{"/v1/kv/a?ns=conf": {body: "[]"}, "/v1/kv/a?ns=query": {body: "[]"}})
	src := a.source(consul.Config{Namespace: "conf", Token: "t0ken", Username: "u", Password: "p"})
	fetch(t, src, lookup("a"), 0, time.Minute)
	fetch(t, src, lookup("a?ns=query"), 0, time.Minute)
	if got := a.headers.Get("X-Consul-Token"); got != "t0ken" {
		t.Errorf("token %q", got)
	}
	if user, password, _ := (&http.Request{Header: a.headers}).BasicAuth(); user != "u" || password != "p" {
		t.Errorf("authenticated as %s:%s", user, password)
	}
}

// A follower that is too far behind is not believed. The leader is asked for what it
// has now, without a second wait.
func TestTooStale(t *testing.T) {
	t.Parallel()
	const stale, fresh = "/v1/kv/a?index=7&stale=&wait=60000ms", "/v1/kv/a"
	contact := func(ms string) http.Header { return http.Header{"X-Consul-Lastcontact": {ms}} }
	a := newAgent(t, map[string]reply{
		stale: {body: `[{"Value":"b2xk"}]`, index: "8", header: contact("2001")},
		fresh: {body: `[{"Value":"bmV3"}]`, index: "9", header: contact("5000")},
	})
	src := a.source(consul.Config{MaxStale: 2 * time.Second})
	got := fetch(t, src, key("a"), 7, time.Minute)
	if diff := cmp.Diff(watch.Answer{Value: "new", Version: 9, Indexed: true}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	a.wants(stale, fresh)

	a.then(stale, reply{body: `[{"Value":"b2xk"}]`, index: "8", header: contact("2000")})
	fetch(t, src, key("a"), 7, time.Minute) // takes the first one away
	a.wants(stale, fresh)
	if got := fetch(t, src, key("a"), 7, time.Minute); got.Value != "old" {
		t.Errorf("got %v; 2 s behind is not too far", got)
	}
	a.wants(stale)
}

func TestKeyThatIsMissing(t *testing.T) {
	t.Parallel()
	a := newAgent(t, map[string]reply{
		"/v1/kv/a":          {status: 404, index: "5"},
		"/v1/kv/a?recurse=": {status: 404, index: "6"},
		"/v1/kv/empty":      {body: `[{"Key":"empty","Value":null}]`, index: "7"},
	})
	src := a.source(consul.Config{})
	for _, tc := range []struct {
		query watch.Query
		want  watch.Answer
	}{
		{key("a"), watch.Answer{Version: 5, Indexed: true}},
		{lookup("a"), watch.Answer{Value: watch.Lookup{}, Version: 5, Indexed: true}},
		{prefix("a"), watch.Answer{Value: []*watch.KeyPair{}, Version: 6, Indexed: true}},
		{key("empty"), watch.Answer{Value: "", Version: 7, Indexed: true}},
		{lookup("empty"), watch.Answer{Value: watch.Lookup{Found: true}, Version: 7, Indexed: true}},
	} {
		if diff := cmp.Diff(tc.want, fetch(t, src, tc.query, 0, time.Minute)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tc.query, diff)
		}
	}
}

func TestDecoding(t *testing.T) {
	t.Parallel()
	a := newAgent(t, map[string]reply{
		"/v1/catalog/services": {body: `{"web":["b","a"],"api":[],"db":null}`},
		"/v1/catalog/nodes": {body: `[{"ID":"2","Node":"b","Address":"10.0.0.2","Datacenter":"dc1","TaggedAddresses":{},"Meta":null},
			{"ID":"1","Node":"a","Address":"10.0.0.1","Datacenter":"dc1","TaggedAddresses":{"lan":"x"},"Meta":{"k":"v"},"ModifyIndex":3}]`},
		"/v1/catalog/nodes?near=b": {body: `[{"Node":"b"},{"Node":"a"}]`},
		"/v1/catalog/node/a": {body: `{"Node":{"Node":"a","Address":"10.0.0.1"},"Services":{"w2":{"ID":"w2","Service":"web","Port":2},
			"w1":{"ID":"w1","Service":"web","Tags":["z","y"],"Meta":{"k":"v"},"Port":1,"Address":"1.1.1.1","EnableTagOverride":true},"a":{"ID":"a","Service":"api","Meta":{}}}}`},
		"/v1/catalog/node/nope": {body: `null`},
		"/v1/kv/a/?recurse=": {body: `[{"Key":"a/","Value":null,"Flags":0},{"Key":"a/b","Value":"eA==","CreateIndex":1,"ModifyIndex":2,"LockIndex":3,"Flags":4,"Session":"s"},
			{"Key":"a//c/d","Value":"/w=="}]`},
	})
	src := a.source(consul.Config{})
	for _, tc := range []struct {
		query watch.Query
		want  any
	}{
		{services(""), []*watch.ServiceSummary{{Name: "api", Tags: []string{}}, {Name: "db", Tags: []string{}}, {Name: "web", Tags: []string{"a", "b"}}}},
		{nodes(""), []*watch.Node{
			{ID: "1", Node: "a", Address: "10.0.0.1", Datacenter: "dc1", TaggedAddresses: map[string]string{"lan": "x"}, Meta: map[string]string{"k": "v"}},
			{ID: "2", Node: "b", Address: "10.0.0.2", Datacenter: "dc1"}}},
		{nodes("~b"), []*watch.Node{{Node: "b"}, {Node: "a"}}},
		{node("a"), &watch.NodeDetail{Node: &watch.Node{Node: "a", Address: "10.0.0.1"}, Services: []*watch.NodeService{
			{ID: "a", Service: "api", Tags: []string{}},
			{ID: "w1", Service: "web", Tags: []string{"y", "z"}, Meta: map[string]string{"k": "v"}, Port: 1, Address: "1.1.1.1", EnableTagOverride: true},
			{ID: "w2", Service: "web", Tags: []string{}, Port: 2}}}},
		{node("nope"), &watch.NodeDetail{}},
		{prefix("a/"), []*watch.KeyPair{
			{Path: "a/"},
			{Path: "a/b", Key: "b", Value: "x", CreateIndex: 1, ModifyIndex: 2, LockIndex: 3, Flags: 4, Session: "s"},
			{Path: "a//c/d", Key: "c/d", Value: "\xff"}}},
	} {
		if diff := cmp.Diff(tc.want, fetch(t, src, tc.query, 0, time.Minute).Value); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tc.query, diff)
		}
	}
}

// instances are three of a service on two nodes: with a critical check, with a
// service in maintenance, and with none.
const instances = `[
 {"Node":{"ID":"i2","Node":"n2","Address":"10.0.0.2","Datacenter":"dc1","TaggedAddresses":{"lan":"10.0.0.2"},"Meta":{"zone":"b"}},
  "Service":{"ID":"web-2","Service":"web","Tags":["b","a"],"Address":"","Port":80,"Meta":{"v":"1"},"Weights":{"Passing":2,"Warning":1},
   "TaggedAddresses":{"wan":{"Address":"8.8.8.8","Port":81}},"Kind":"connect-proxy","Namespace":"ns1","Partition":"p1"},
  "Checks":[{"Node":"n2","CheckID":"serfHealth","Status":"passing"},{"CheckID":"c","Status":"critical","ServiceID":"web-2"}]},
 {"Node":{"Node":"n1","Address":"10.0.0.1"},"Service":{"ID":"web-9","Service":"web","Address":"1.1.1.1"},"Checks":[]},
 {"Node":{"Node":"n1","Address":"10.0.0.1"},"Service":{"ID":"web-1","Service":"web","Address":"::1"},
  "Checks":[{"CheckID":"_service_maintenance:web-1","Status":"critical"}]}]`

func TestServiceInstances(t *testing.T) {
	t.Parallel()
	a := newAgent(t, map[string]reply{
		"/v1/health/service/web":         {body: instances},
		"/v1/health/service/web?near=n2": {body: instances},
	})
	src := a.source(consul.Config{})
	list := func(arg string) []*watch.ServiceInstance {
		return fetch(t, src, service(arg), 0, time.Minute).Value.([]*watch.ServiceInstance)
	}
	ids := func(arg string) (ids []string) {
		for _, i := range list(arg) {
			ids = append(ids, i.ID+" "+i.Address+" "+i.Status)
		}
		return ids
	}
	for arg, want := range map[string][]string{
		"web|any":               {"web-1 ::1 maintenance", "web-9 1.1.1.1 passing", "web-2 10.0.0.2 critical"},
		"web~n2|any":            {"web-2 10.0.0.2 critical", "web-9 1.1.1.1 passing", "web-1 ::1 maintenance"},
		"web|maintenance":       {"web-1 ::1 maintenance"},
		"web|critical,passing":  {"web-9 1.1.1.1 passing", "web-2 10.0.0.2 critical"},
		"web|warning":           nil,
		"web|,":                 nil,
		"web|critical,critical": {"web-2 10.0.0.2 critical"},
	} {
		if diff := cmp.Diff(want, ids(arg)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", arg, diff)
		}
	}
	want := &watch.ServiceInstance{
		Node: "n2", NodeID: "i2", NodeAddress: "10.0.0.2", NodeDatacenter: "dc1",
		NodeTaggedAddresses: map[string]string{"lan": "10.0.0.2"}, NodeMeta: map[string]string{"zone": "b"},
		ID: "web-2", Name: "web", Kind: "connect-proxy", Namespace: "ns1", Partition: "p1",
		Address: "10.0.0.2", Port: 80, Tags: []string{"a", "b"}, ServiceMeta: map[string]string{"v": "1"},
		ServiceTaggedAddresses: map[string]api.ServiceAddress{"wan": {Address: "8.8.8.8", Port: 81}},
		Weights:                api.AgentWeights{Passing: 2, Warning: 1}, Status: "critical",
		Checks: api.HealthChecks{{Node: "n2", CheckID: "serfHealth", Status: "passing"}, {CheckID: "c", Status: "critical", ServiceID: "web-2"}},
	}
	if diff := cmp.Diff(want, list("web|any")[2]); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestOwnNode(t *testing.T) {
	t.Parallel()
	a := newAgent(t, map[string]reply{
		"/v1/agent/self": {body: `{"Config":{"NodeName":"me"}}`},
		"/v1/catalog/node/me?index=3&stale=&wait=1000ms": {body: `{"Node":{"Node":"me"},"Services":{}}`, index: "4"},
	})
	got := fetch(t, a.source(consul.Config{MaxStale: time.Second}), node(""), 3, time.Second)
	want := watch.Answer{Value: &watch.NodeDetail{Node: &watch.Node{Node: "me"}, Services: []*watch.NodeService{}}, Version: 4, Indexed: true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestUnknownKind(t *testing.T) {
	t.Parallel()
	src := newAgent(t, nil).source(consul.Config{})
	if _, err := try(t, src, watch.Query{Kind: watch.KindFile, Name: "x"}, 0, time.Minute); err == nil || err.Error() != "no such kind of query: file" {
		t.Errorf("got %v", err)
	}
}

// consistent is what a datacenter is asked to see whether it works.
func consistent(dc string) string { return "/v1/catalog/services?consistent=&dc=" + dc }

func TestDatacenters(t *testing.T) {
	t.Parallel()
	a := newAgent(t, map[string]reply{
		"/v1/catalog/datacenters": {body: `["dc3","dc1","dc2","dc4"]`},
		consistent("dc1"):         {body: "{}"},
		consistent("dc2"):         {status: 500, body: "No path to datacenter"},
		consistent("dc3"):         {body: "{}"},
		consistent("dc4"):         {do: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
	})
	src := a.source(consul.Config{MaxStale: time.Second})
	src.SetTimes(2*time.Second, time.Millisecond) // dc4 is silent
	first := fetch(t, src, datacenters, 0, time.Minute)
	if diff := cmp.Diff(watch.Answer{Value: []string{"dc1", "dc2", "dc3", "dc4"}, Version: 1}, first); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if next := fetch(t, src, datacenters, 1, time.Minute); next.Version != 2 {
		t.Errorf("version %d, want one that is newer", next.Version)
	}
	working := fetch(t, src, workingDCs, 0, time.Minute)
	if diff := cmp.Diff([]string{"dc1", "dc3"}, working.Value); diff != "" {
		t.Errorf("those that work (-want +got)\n%s", diff)
	}
}

// A list is no answer when it is short since the agent went away, or since nobody
// waited for it any more.
func TestDatacentersAreNotLostWithTheAgent(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reply reply
		want  string
	}{
		"connection lost": {reply{do: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }}, "the connection was lost: EOF"},
		"too many":        {reply{status: 429, body: "Your IP is issuing too many concurrent connections"}, "HTTP status 429: Your IP is issuing too many concurrent connections"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAgent(t, map[string]reply{"/v1/catalog/datacenters": {body: `["dc1"]`}, consistent("dc1"): tc.reply})
			if _, err := try(t, a.source(consul.Config{}), workingDCs, 0, time.Minute); err == nil || err.Error() != tc.want {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		a := newAgent(t, map[string]reply{
			"/v1/catalog/datacenters": {body: `["dc1","dc2"]`},
			consistent("dc1"):         {body: "{}"},
			consistent("dc2"):         {do: func(_ http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() }},
		})
		if answer, err := a.source(consul.Config{}).Fetch(ctx, workingDCs, 0, time.Minute); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, %v", answer, err)
		}
	})
}
