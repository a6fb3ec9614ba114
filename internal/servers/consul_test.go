package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

func register(t *testing.T, c *Consul, id string) {
	t.Helper()
	err := c.Client.Agent().ServiceRegister(&api.AgentServiceRegistration{ID: id, Name: "web", Port: 80})
	if err != nil {
		t.Fatal(err)
	}
}

// instances gives how many instances of web the agent knows.
func instances(c *Consul) (int, error) {
	list, _, err := c.Client.Health().Service("web", "", true, nil)
	return len(list), err
}

func wantInstances(t *testing.T, c *Consul, want int) {
	t.Helper()
	Eventually(t, 10*time.Second, func() error {
		got, err := instances(c)
		if err == nil && got != want {
			err = fmt.Errorf("%d instances, want %d", got, want)
		}
		return err
	})
}

func TestConsulRestartIsFresh(t *testing.T) {
	t.Parallel()
	c := RunConsul(t, ConsulOptions{})
	register(t, c, "web-1")
	wantInstances(t, c, 1)

	addr := c.HTTPAddr
	if err := c.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c.HTTPAddr != addr {
		t.Errorf("restarted on %s, was on %s", c.HTTPAddr, addr)
	}
	if got, err := instances(c); err != nil || got != 0 {
		t.Errorf("%d instances after the restart, %v", got, err)
	}
	register(t, c, "web-2")
	wantInstances(t, c, 1)
}

func TestConsulPersistentKeepsState(t *testing.T) {
	t.Parallel()
	c := RunConsul(t, ConsulOptions{Persistent: true})
	register(t, c, "web-1")
	wantInstances(t, c, 1)
	c.Kill()
	if _, err := instances(c); err == nil {
		t.Error("a killed agent answers")
	}
	if err := c.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantInstances(t, c, 1)
	if err := c.RestartFresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantInstances(t, c, 0)
}

func TestConsulACLAndDNS(t *testing.T) {
	t.Parallel()
	c := RunConsul(t, ConsulOptions{ACL: true, DNS: true, Node: "n7", Config: `datacenter = "dc7"`})
	register(t, c, "web-1")
	wantInstances(t, c, 1)

	anonymous, err := api.NewClient(&api.Config{Address: c.HTTPAddr, Scheme: "http", Token: "anonymous"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := anonymous.Agent().Self(); err == nil {
		t.Error("a wrong token is accepted")
	}
	self, err := c.Client.Agent().Self()
	if err != nil {
		t.Fatal(err)
	}
	if got := self["Config"]["Datacenter"]; got != "dc7" || self["Config"]["NodeName"] != "n7" {
		t.Errorf("options did not arrive: %v", self["Config"])
	}
	conn, err := net.Dial("tcp", c.DNSAddr)
	if err != nil {
		t.Fatalf("no DNS: %v", err)
	}
	conn.Close()
}

func TestConsulFreeze(t *testing.T) {
	t.Parallel()
	c := RunConsul(t, ConsulOptions{})
	if err := c.Freeze(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, _, err := c.Client.KV().Get("a", (&api.QueryOptions{}).WithContext(ctx))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a frozen agent gives %v", err)
	}
	if err := c.Thaw(); err != nil {
		t.Fatal(err)
	}
	wantInstances(t, c, 0)
}

func TestConsulThatCannotStartShowsItsLog(t *testing.T) {
	t.Parallel()
	start := time.Now()
	c, err := StartConsul(t.Context(), ConsulOptions{Config: `no_such_key = 1`})
	if err == nil {
		c.Stop()
		t.Fatal("started with a bad configuration")
	}
	if !strings.Contains(err.Error(), "no_such_key") || !strings.Contains(err.Error(), "has ended: exit status 1") {
		t.Errorf("the error does not say why: %v", err)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("it took %s to see that the agent has ended", took)
	}
}

func TestConsulStopLeavesNothing(t *testing.T) {
	t.Parallel()
	c := RunConsul(t, ConsulOptions{})
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	if c.Running() {
		t.Error("it runs")
	}
	if _, err := os.Stat(c.dir); !os.IsNotExist(err) {
		t.Errorf("its directory is still there: %v", err)
	}
	if err := c.Stop(); err != nil {
		t.Errorf("the second Stop: %v", err)
	}
}

func TestClusterElectsAnotherLeader(t *testing.T) {
	t.Parallel()
	c := RunCluster(t, 3, ConsulOptions{})
	client, err := c.AddClient(t.Context(), ConsulOptions{})
	if err != nil {
		t.Fatal(err)
	}
	register(t, client, "web-1")
	wantInstances(t, client, 1)

	first, err := c.Leader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	first.Kill()
	second, err := c.Leader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if second == first {
		t.Fatalf("%s leads after it was killed", first.Node)
	}
	register(t, client, "web-2")
	wantInstances(t, second, 2)

	if err := first.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantInstances(t, first, 2)
}
