package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// A token that is rotated in its file is used at once, without a signal; one that
// is not there keeps the last good one.
func TestTokenFileIsReadAgain(t *testing.T) {
	t.Parallel()
	agent := servers.RunConsul(t, servers.ConsulOptions{ACL: true})
	putKey(t, agent.Client, "k", "one")
	policy, _, err := agent.Client.ACL().PolicyCreate(&api.ACLPolicy{Name: "read", Rules: `key_prefix "" { policy = "read" }`}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var tokens []*api.ACLToken
	for range 2 {
		token, _, err := agent.Client.ACL().TokenCreate(&api.ACLToken{Policies: []*api.ACLTokenPolicyLink{{ID: policy.ID}}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, token)
	}
	file := filepath.Join(t.TempDir(), "token")
	rotate := func(secret string) {
		t.Helper()
		if err := os.WriteFile(file+"~", []byte(secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+"~", file); err != nil {
			t.Fatal(err)
		}
	}
	rotate(tokens[0].SecretID)
	f := follow(t, agent.HTTPAddr, `{{ key "k" }}`, "-consul-token-file", file, "-retry", "10ms")
	f.expect("one")

	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	f.logged("token or certificate not used: the last good one stays")
	putKey(t, agent.Client, "k", "two")
	f.expect("two")

	rotate(tokens[1].SecretID)
	servers.Eventually(t, wait, func() error {
		if n := strings.Count(f.log.text(), "connecting anew"); n < 2 {
			return fmt.Errorf("connected anew %d times", n)
		}
		return nil
	})
	if _, err := agent.Client.ACL().TokenDelete(tokens[0].AccessorID, nil); err != nil {
		t.Fatal(err)
	}
	putKey(t, agent.Client, "k", "three")
	f.expect("three")
	for _, secret := range []string{"HTTP status 403", tokens[0].SecretID, tokens[1].SecretID} {
		if strings.Contains(f.log.text(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}

// With another address all is read anew, and nothing is written before that is
// complete. What the old place owed is still owed.
func TestAnotherConsul(t *testing.T) {
	t.Parallel()
	first, second := servers.RunConsul(t, servers.ConsulOptions{}), servers.RunConsul(t, servers.ConsulOptions{})
	putKey(t, first.Client, "a", "first")
	putKey(t, first.Client, "b", "first")
	dir := t.TempDir()
	config := filepath.Join(dir, "ctmpl.hcl")
	configure := func(agent *servers.Consul) {
		t.Helper()
		text := fmt.Sprintf(`
			consul { address = %q }
			template {
				contents    = "{{ key \"a\" }} {{ key \"b\" }}"
				destination = %q
				command     = "test -e %[3]s/ready && echo ran >> %[3]s/ran"
			}`, agent.HTTPAddr, filepath.Join(dir, "out"), dir)
		if err := errors.Join(os.WriteFile(config+"~", []byte(text), 0o644), os.Rename(config+"~", config)); err != nil {
			t.Fatal(err)
		}
	}
	configure(first)
	f := runIn(t, dir, "-config", config)
	f.expect("first first")
	f.logged("rollout failed")

	putKey(t, second.Client, "a", "second")
	configure(second)
	f.logged(`missing=1 waits_for="key \"b\"`)
	f.expect("first first")
	if err := os.WriteFile(filepath.Join(dir, "ready"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	servers.Eventually(t, wait, func() error {
		_, err := os.Stat(filepath.Join(dir, "ran"))
		return err
	})
	putKey(t, second.Client, "b", "second")
	f.expect("second second")
}
