package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// wait is how long a test waits for something to happen.
const wait = 30 * time.Second

// follower is a ctmpl that renders one template from an agent.
type follower struct {
	t    *testing.T
	dir  string
	cmd  *exec.Cmd
	log  running
	done chan error
}

// follow starts ctmpl with a template and more arguments.
func follow(t *testing.T, addr, template string, args ...string) *follower {
	t.Helper()
	dir := t.TempDir()
	source := filepath.Join(dir, "in.tmpl")
	if err := os.WriteFile(source, []byte(template), 0o644); err != nil {
		t.Fatal(err)
	}
	return runIn(t, dir, append([]string{"-consul-addr", addr, "-template", source + ":" + filepath.Join(dir, "out")}, args...)...)
}

// runIn starts ctmpl, which is to write the file out in dir.
func runIn(t *testing.T, dir string, args ...string) *follower {
	t.Helper()
	f := &follower{t: t, dir: dir, done: make(chan error, 1)}
	f.cmd = exec.Command(program(t), args...)
	f.cmd.Env = append(os.Environ(), fastExit)
	f.cmd.Stdout, f.cmd.Stderr = &f.log, &f.log
	if err := f.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { f.done <- f.cmd.Wait() }()
	t.Cleanup(func() {
		_ = f.cmd.Process.Signal(os.Interrupt)
		select {
		case <-f.done:
		case <-time.After(30 * time.Second):
			t.Error("ctmpl does not end")
			_ = f.cmd.Process.Kill()
		}
		if t.Failed() {
			t.Logf("ctmpl:\n%s", f.log.text())
		}
	})
	return f
}

func (f *follower) out() string { return filepath.Join(f.dir, "out") }

func (f *follower) expect(want string) {
	f.t.Helper()
	servers.Eventually(f.t, 60*time.Second, func() error {
		got, err := os.ReadFile(f.out())
		if err == nil && string(got) != want {
			err = fmt.Errorf("got %q, want %q", got, want)
		}
		return err
	})
}

func (f *follower) logged(text string) {
	f.t.Helper()
	servers.Eventually(f.t, 30*time.Second, func() error {
		if !strings.Contains(f.log.text(), text) {
			return fmt.Errorf("the log does not hold %q", text)
		}
		return nil
	})
}

func register(t *testing.T, c *api.Client, node, id, name string, port int) {
	t.Helper()
	_, err := c.Catalog().Register(&api.CatalogRegistration{
		Node: node, Address: "10.0.0.1", Service: &api.AgentService{ID: id, Service: name, Port: port},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
}

func putKey(t *testing.T, c *api.Client, key, value string) {
	t.Helper()
	if _, err := c.KV().Put(&api.KVPair{Key: key, Value: []byte(value)}, nil); err != nil {
		t.Fatal(err)
	}
}

func TestAgentAwayAndBackWithNothing(t *testing.T) {
	t.Parallel()
	agent := servers.RunConsul(t, servers.ConsulOptions{})
	register(t, agent.Client, "n", "web-1", "web", 80)
	putKey(t, agent.Client, "k", "one")
	f := follow(t, agent.HTTPAddr, `{{ range service "web" }}{{ .ID }} {{ end }}{{ key "k" }} {{ keyOrDefault "d" "none" }}`)
	f.expect("web-1 one none")

	agent.Kill()
	f.logged("cannot be reached: keeping the last good data")
	f.expect("web-1 one none")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := agent.RestartFresh(ctx); err != nil { // its index begins anew
		t.Fatal(err)
	}
	f.logged("can be reached again")
	f.expect("one none") // the key that is gone keeps its value: key waits for one
	register(t, agent.Client, "n", "web-2", "web", 81)
	putKey(t, agent.Client, "d", "two")
	f.expect("web-2 one two")
	putKey(t, agent.Client, "k", "three")
	f.expect("web-2 three two")
	if n := strings.Count(f.log.text(), "cannot be reached: keeping"); n != 1 {
		t.Errorf("%d lines that it cannot be reached, want 1", n)
	}
}

func TestDeletedKeyKeepsItsValue(t *testing.T) {
	t.Parallel()
	agent := servers.RunConsul(t, servers.ConsulOptions{})
	f := follow(t, agent.HTTPAddr, `{{ key "k" }} {{ keyExists "k" }} {{ keyOrDefault "k" "none" }}`)
	putKey(t, agent.Client, "k", "one")
	f.expect("one true one")
	if _, err := agent.Client.KV().Delete("k", nil); err != nil {
		t.Fatal(err)
	}
	f.expect("one false none")
	putKey(t, agent.Client, "k", "two")
	f.expect("two true two")
}

func TestPermissionDenied(t *testing.T) {
	t.Parallel()
	agent := servers.RunConsul(t, servers.ConsulOptions{ACL: true})
	putKey(t, agent.Client, "k", "one")
	token, _, err := agent.Client.ACL().TokenCreate(&api.ACLToken{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("no permission", func(t *testing.T) {
		f := follow(t, agent.HTTPAddr, `{{ key "k" }}`, "-consul-token", token.SecretID, "-retry", "10ms")
		f.logged("HTTP status 403: Permission denied")
		policy, _, err := agent.Client.ACL().PolicyCreate(&api.ACLPolicy{Name: "read", Rules: `key_prefix "" { policy = "read" }`}, nil)
		if err != nil {
			t.Fatal(err)
		}
		token.Policies = []*api.ACLTokenPolicyLink{{ID: policy.ID}}
		if _, _, err := agent.Client.ACL().TokenUpdate(token, nil); err != nil {
			t.Fatal(err)
		}
		f.expect("one")
		if n := strings.Count(f.log.text(), "HTTP status 403"); n != 1 {
			t.Errorf("%d lines about it, want 1", n)
		}
		if strings.Contains(f.log.text(), token.SecretID) {
			t.Error("the token is in the log")
		}
	})
	t.Run("no such token", func(t *testing.T) {
		const secret = "11111111-2222-3333-4444-555555555555"
		f := follow(t, agent.HTTPAddr, `{{ key "k" }}`, "-consul-token", secret)
		f.logged("HTTP status 403: ACL not found")
		if strings.Contains(f.log.text(), secret) {
			t.Error("the token is in the log")
		}
	})
}

// A burst of changes is followed to its end, whatever is seen on the way.
func TestBurstOfChanges(t *testing.T) {
	t.Parallel()
	agent := servers.RunConsul(t, servers.ConsulOptions{})
	f := follow(t, agent.HTTPAddr, `{{ range service "web" }}{{ .ID }}:{{ .Port }} {{ end }}`)
	for i := range 200 {
		register(t, agent.Client, "n", "web-1", "web", i+1)
	}
	f.expect("web-1:200 ")
}
