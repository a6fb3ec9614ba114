package servers

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// ManagementToken is the token with all rights of an agent that was started with
// ACL.
const ManagementToken = "c7e4b1f0-5a0d-4d63-9a3e-0f6d2b8c9e11"

// role is what part an agent has.
type role int

const (
	devServer    role = iota // one server that keeps its state in memory
	singleServer             // one server with a data directory
	clusterServer
	clusterClient
)

// agent is all that the configuration of a Consul agent needs.
type agent struct {
	role    role
	node    string
	ip      string
	http    int
	dns     int // -1: none
	server  int // RPC between agents
	serf    int // gossip
	acl     bool
	extra   string // HCL, wins over the rest
	servers int    // how many a cluster has
	join    []string
}

// newAgent chooses the ports that opts leaves open.
func newAgent(role role, ip string, opts ConsulOptions) (agent, error) {
	free, err := FreePorts(4)
	if err != nil {
		return agent{}, err
	}
	a := agent{role: role, ip: ip, node: opts.Node, http: opts.HTTPPort, dns: -1, server: free[0], serf: free[1], acl: opts.ACL, extra: opts.Config}
	if a.node == "" {
		a.node = "consul-1"
	}
	if a.http == 0 {
		a.http = free[2]
	}
	if opts.DNS {
		a.dns = free[3]
	}
	return a, nil
}

// write puts the configuration into dir and gives the arguments for consul.
func (a agent) write(dir string) ([]string, error) {
	text, err := json.MarshalIndent(a.config(dir), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the configuration of %s: %w", a.node, err)
	}
	main, extra := filepath.Join(dir, "agent.json"), filepath.Join(dir, "extra.hcl")
	if err := os.WriteFile(main, text, 0o644); err != nil {
		return nil, fmt.Errorf("write the configuration of %s: %w", a.node, err)
	}
	if err := os.WriteFile(extra, []byte(a.extra), 0o644); err != nil {
		return nil, fmt.Errorf("write the configuration of %s: %w", a.node, err)
	}
	args := []string{"agent", "-config-file=" + main, "-config-file=" + extra}
	if a.role == devServer {
		args = append(args, "-dev")
	}
	return args, nil
}

// config is the configuration in Consul's own names
// (https://developer.hashicorp.com/consul/docs/agent/config/config-files). The
// limits are Consul's defaults, so that a test meets what a user meets.
func (a agent) config(dir string) map[string]any {
	c := map[string]any{
		"node_name":               a.node,
		"bind_addr":               a.ip,
		"client_addr":             a.ip,
		"log_level":               "info",
		"disable_update_check":    true,
		"disable_remote_exec":     true,
		"leave_on_terminate":      false,
		"skip_leave_on_interrupt": true,
		"connect":                 map[string]any{"enabled": true},
		"ports": map[string]int{
			"http": a.http, "dns": a.dns, "server": a.server, "serf_lan": a.serf,
			"serf_wan": -1, "grpc": -1, "grpc_tls": -1, "https": -1,
		},
	}
	if a.role != devServer {
		c["data_dir"] = filepath.Join(dir, "data")
		c["performance"] = map[string]int{"raft_multiplier": 1}
	}
	switch a.role {
	case singleServer:
		c["server"], c["bootstrap_expect"] = true, 1
	case clusterServer:
		c["server"], c["bootstrap_expect"] = true, a.servers
	}
	if len(a.join) > 0 {
		c["retry_join"], c["retry_interval"] = a.join, "200ms"
	}
	if a.acl {
		c["acl"] = map[string]any{
			"enabled": true, "default_policy": "deny",
			"tokens": map[string]string{"initial_management": ManagementToken, "agent": ManagementToken},
		}
	}
	return c
}
