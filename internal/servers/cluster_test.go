package servers

import (
	"context"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestClusterWithoutOne has the second of three servers end at its start: the others would
// wait for it in vain.
func TestClusterWithoutOne(t *testing.T) {
	t.Parallel()
	c := &Cluster{}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	agents, err := c.serverAgents(3)
	if err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp4", net.JoinHostPort(agents[1].ip, strconv.Itoa(agents[1].http)))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err = c.launch(ctx, agents)
	if err == nil || ctx.Err() != nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("that a port is taken is told as: %v (%v)", err, ctx.Err())
	}
}
