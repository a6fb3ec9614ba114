package consul_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/internal/servers"
	"github.com/ctmpl/ctmpl/watch"
	"github.com/ctmpl/ctmpl/watch/consul"
)

// said are the headers of an answer that say how good it is.
func said(backend, leader, filtered, policy string) http.Header {
	h := http.Header{"X-Consul-Lastcontact": {"0"}, "X-Consul-Query-Backend": {backend}, "X-Consul-Knownleader": {leader}, "X-Consul-Default-Acl-Policy": {policy}}
	if filtered != "" {
		h["X-Consul-Results-Filtered-By-Acls"] = []string{filtered}
	}
	return h
}

const (
	blocking  = "blocking-query"
	streaming = "streaming"
	noLeader  = "the answering server knows no leader"
)

func TestDoubtOfHeaders(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		header http.Header
		body   string
		want   string
	}{
		"none":                           {nil, "[]", ""},
		"all is well":                    {said(blocking, "true", "", "deny"), "[]", ""},
		"filtered":                       {said(blocking, "true", "true", "deny"), "[]", watch.DoubtACL},
		"a part is filtered":             {said(blocking, "true", "true", "deny"), instances, watch.DoubtACL},
		"not filtered":                   {said(blocking, "true", "false", "deny"), "[]", ""},
		"no leader":                      {said(blocking, "false", "", "allow"), instances, noLeader},
		"both":                           {said(blocking, "false", "true", "deny"), "[]", watch.DoubtACL},
		"streaming knows no leader":      {said(streaming, "false", "", "deny"), instances, ""},
		"an old Consul names no backend": {http.Header{"X-Consul-Knownleader": {"false"}}, "[]", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAgent(t, map[string]reply{"/v1/health/service/web": {header: tc.header, body: tc.body, index: "5"}})
			answer := fetch(t, a.source(consul.Config{Token: "secret"}), service("web|any"), 0, time.Minute)
			if answer.Doubt != tc.want || !answer.Indexed {
				t.Errorf("doubt %q, indexed %v, want %q", answer.Doubt, answer.Indexed, tc.want)
			}
			a.wants("/v1/health/service/web")
		})
	}
}

// Consul's streaming backend does not say that it left something out. The other one is
// asked when there is nothing.
func TestEmptyAnswerOfStreaming(t *testing.T) {
	t.Parallel()
	const waiting, now = "/v1/health/service/web?index=7&wait=60000ms", "/v1/health/service/web"
	for name, tc := range map[string]struct {
		policy string
		now    *reply // nil: it must not be asked
		want   string
		err    string
	}{
		"filtered":     {"deny", &reply{header: said(blocking, "true", "true", "deny"), body: "[]", index: "3"}, watch.DoubtACL, ""},
		"not filtered": {"deny", &reply{header: said(blocking, "true", "", "deny"), body: "[]", index: "3"}, "", ""},
		"no leader":    {"deny", &reply{header: said(blocking, "false", "", "deny"), body: "[]", index: "3"}, noLeader, ""},
		"an error":     {"deny", &reply{status: 500, body: "No cluster leader"}, "", "HTTP status 500: No cluster leader"},
		"all allowed":  {"allow", nil, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			replies, uris := map[string]reply{waiting: {header: said(streaming, "false", "", tc.policy), body: "[]", index: "8"}}, []string{waiting}
			if tc.now != nil {
				replies[now] = *tc.now
				uris = append(uris, now)
			}
			a := newAgent(t, replies)
			answer, err := try(t, a.source(consul.Config{Token: "secret"}), service("web|any"), 7, time.Minute)
			if text := fmt.Sprint(err); tc.err != "" && text != tc.err || tc.err == "" && err != nil {
				t.Errorf("got %v, want %q", err, tc.err)
			}
			if err == nil && (answer.Version != 8 || answer.Doubt != tc.want) {
				t.Errorf("version %d, doubt %q, want that of the first answer and %q", answer.Version, answer.Doubt, tc.want)
			}
			a.wants(uris...)
		})
	}
}

// An ACL that takes the rights away is seen by the real Consul as it says it: not at all
// on the streaming backend, and not to those without a token.
func TestFilteredByARealConsul(t *testing.T) {
	t.Parallel()
	agent := servers.RunConsul(t, servers.ConsulOptions{ACL: true})
	for _, name := range []string{"web", "api"} {
		if err := agent.Client.Agent().ServiceRegister(&api.AgentServiceRegistration{Name: name, Port: 80}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := agent.Client.KV().Put(&api.KVPair{Key: "a/b", Value: []byte("x")}, nil); err != nil {
		t.Fatal(err)
	}
	const all = `service_prefix "" { policy = "read" } node_prefix "" { policy = "read" } key_prefix "" { policy = "read" }`
	policy, secret := newToken(t, agent, all)
	src := newSource(t, consul.Config{Address: agent.HTTPAddr, Token: secret})
	everything := []watch.Query{service("web"), service("nope"), service("web|any"), services(""), nodes(""), node("consul-1"), node("nope"),
		prefix("a"), prefix("nope"), lookup("a/b"), lookup("nope"), key("a/b"), connect("web"), roots, leaf("nope"), exported(""), datacenters}
	for _, src := range []*consul.Source{src, newSource(t, consul.Config{Address: agent.HTTPAddr, Token: agent.Token})} {
		for _, q := range everything {
			servers.Eventually(t, deadline, func() error { // the token may not be known yet, nor the services
				return undoubted(t, src, q)
			})
		}
	}

	before := fetch(t, src, service("web"), 0, 0)
	policy.Rules = `service "api" { policy = "read" } node_prefix "" { policy = "read" }`
	if _, _, err := agent.Client.ACL().PolicyUpdate(policy, nil); err != nil {
		t.Fatal(err)
	}
	for _, q := range []watch.Query{service("web"), services(""), prefix("a")} {
		servers.Eventually(t, deadline, func() error {
			for _, after := range []uint64{0, before.Version} {
				if got := fetch(t, src, q, after, 50*time.Millisecond); got.Doubt != watch.DoubtACL {
					return fmt.Errorf("%s after %d: %d, doubt %q", q, after, length(got), got.Doubt)
				}
			}
			return nil
		})
	}
	servers.Eventually(t, deadline, func() error { return undoubted(t, src, service("api")) })

	anonymous := newSource(t, consul.Config{Address: agent.HTTPAddr})
	for _, q := range []watch.Query{service("web"), services(""), nodes("")} {
		for _, after := range []uint64{0, 1} {
			if got := fetch(t, anonymous, q, after, 50*time.Millisecond); length(got) != 0 || got.Doubt != watch.DoubtACL {
				t.Errorf("without a token, %s after %d: %d, doubt %q", q, after, length(got), got.Doubt)
			}
		}
	}
	allowAnonymous(t, agent, policy)
	servers.Eventually(t, deadline, func() error {
		for _, q := range []watch.Query{service("api"), service("nope")} {
			if got := fetch(t, anonymous, q, 0, 0); (length(got) == 0) != (q.Name == "nope") || (got.Doubt == "") != (q.Name == "api") {
				return fmt.Errorf("%s: %d, doubt %q", q, length(got), got.Doubt)
			}
		}
		return nil
	})
}

func length(a watch.Answer) int {
	n, _ := watch.Len(a.Value)
	return n
}

// undoubted tells whether a query is answered at once and after a wait, without a doubt.
func undoubted(t *testing.T, src *consul.Source, q watch.Query) error {
	t.Helper()
	there := slices.Contains([]string{"web", "api", "a", "a/b", "consul-1"}, q.Name) && q.Kind != watch.KindConnect
	for _, after := range []uint64{0, 1} {
		if q == datacenters && after > 0 {
			continue // it has no blocking queries
		}
		answer, err := try(t, src, q, after, 50*time.Millisecond)
		if err != nil && q.Kind != watch.KindLeaf && q.Kind != watch.KindExported {
			return fmt.Errorf("%s after %d: %w", q, after, err)
		}
		if n, counts := watch.Len(answer.Value); answer.Doubt != "" || there && counts && n == 0 {
			return fmt.Errorf("%s after %d: %d, doubt %q", q, after, n, answer.Doubt)
		}
	}
	return nil
}

func newToken(t *testing.T, agent *servers.Consul, rules string) (policy *api.ACLPolicy, secret string) {
	t.Helper()
	policy, _, err := agent.Client.ACL().PolicyCreate(&api.ACLPolicy{Name: "test", Rules: rules}, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := agent.Client.ACL().TokenCreate(&api.ACLToken{Policies: []*api.ACLLink{{Name: policy.Name}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return policy, token.SecretID
}

// allowAnonymous gives a policy to those without a token.
func allowAnonymous(t *testing.T, agent *servers.Consul, policy *api.ACLPolicy) {
	t.Helper()
	const anonymous = "00000000-0000-0000-0000-000000000002"
	_, _, err := agent.Client.ACL().TokenUpdate(&api.ACLToken{AccessorID: anonymous, Policies: []*api.ACLLink{{Name: policy.Name}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
}

// TestConsulBeginsAnew restarts an agent that forgets all it knew. What it then says of a
// service must never be seen without a doubt.
func TestConsulBeginsAnew(t *testing.T) {
	t.Parallel()
	agent := servers.RunConsul(t, servers.ConsulOptions{})
	for i := range 100 { // a Consul that has lived for a while
		if _, err := agent.Client.KV().Put(&api.KVPair{Key: "a/b", Value: fmt.Append(nil, i)}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := agent.Client.Agent().ServiceRegister(&api.AgentServiceRegistration{Name: "web", Port: 80}); err != nil {
		t.Fatal(err)
	}
	store := watch.NewStore()
	scheduler := watch.NewScheduler(newSource(t, consul.Config{Address: agent.HTTPAddr, Connections: 20}), store, watch.Options{Name: "Consul"})
	queries := []watch.Query{service("web"), service("web|any"), services(""), prefix("a"), lookup("a/b")}
	set := watch.Set{}
	for _, q := range queries {
		set.Add(q)
	}
	scheduler.Want(set)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- scheduler.Run(ctx) }()
	defer func() { cancel(); <-done }()
	size := func(q watch.Query) int {
		v, _, _ := store.Get(q)
		n, _ := watch.Len(v)
		return n
	}
	full := map[watch.Query]int{services(""): 2, service("web"): 1, service("web|any"): 1, prefix("a"): 1, lookup("a/b"): 1}
	servers.Eventually(t, deadline, func() error {
		for q, n := range full {
			if size(q) != n || store.Doubted(q) != "" {
				return fmt.Errorf("%s: %d, doubted %q", q, size(q), store.Doubted(q))
			}
		}
		return nil
	})

	if err := agent.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	over := time.After(deadline)
	for missing := len(queries); missing > 0; {
		select {
		case <-store.Changed():
		case <-over:
			for q := range full {
				t.Logf("%s: %d, doubted %q", q, size(q), store.Doubted(q))
			}
			t.Fatal("the answers of the new Consul do not come")
		}
		missing = len(queries)
		for q, n := range full {
			if size(q) == n {
				continue
			}
			if missing--; store.Doubted(q) == "" {
				t.Errorf("%s: %d without a doubt", q, size(q))
			}
		}
	}
}
