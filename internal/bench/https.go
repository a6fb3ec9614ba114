package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// https measures ctmpl on an agent that speaks TLS.
func https(ctx context.Context, dir string, programs programs, plan scalePlan, services []int) error {
	t := &table{
		what:    fmt.Sprintf("HTTPS, %s, %d changes at %g/s, rounds: %d", plan.shape, plan.changes, plan.rate, plan.rounds),
		columns: []string{"services", "start → first file, s", "PUT → file, ms, p50 / p99", "CPU per change, ms", "Consul's, ms", "connections, the most", "memory, the most, MB"},
	}
	plan.full = false
	for _, n := range services {
		plan.services = n
		s, err := plan.secure(ctx, dir, programs.own)
		if err != nil {
			return fmt.Errorf("%d services: %w", n, err)
		}
		t.row(strconv.Itoa(n), seconds(s.cold), twoQuantiles(s.delays), fmt.Sprintf("%.1f", perChange(s.busy.program, s.changes)),
			fmt.Sprintf("%.1f", perChange(s.busy.consul, s.changes)), strconv.Itoa(s.connections), fmt.Sprintf("%.0f", megabytes(s.peak)))
	}
	t.print(os.Stdout)
	return nil
}

// secure measures one scale.
func (p scalePlan) secure(ctx context.Context, dir, program string) (s *side, err error) {
	ca, cert, key, err := certificates(ctx, dir)
	if err != nil {
		return nil, err
	}
	port, err := servers.FreePort()
	if err != nil {
		return nil, err
	}
	s, err = startSide(ctx, "ctmpl", program, dir, fmt.Sprintf("ports { https = %d }\ntls { defaults { ca_file = %q cert_file = %q key_file = %q } }", port, ca, cert, key), p.shape)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.agent.Stop()) }()
	s.port, s.reach = port, []string{"-consul-addr", fmt.Sprintf("https://127.0.0.1:%d", port), "-consul-ssl-ca-cert", ca}
	for range p.rounds {
		if err := p.round(ctx, s); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// certificates has Consul make a CA, and a certificate for 127.0.0.1, in a directory
// of their own.
func certificates(ctx context.Context, dir string) (ca, cert, key string, err error) {
	consul, err := servers.ConsulPath()
	if err != nil {
		return "", "", "", err
	}
	home, err := os.MkdirTemp(dir, "tls-")
	if err != nil {
		return "", "", "", err
	}
	for _, args := range [][]string{{"tls", "ca", "create"}, {"tls", "cert", "create", "-server"}} {
		cmd := exec.CommandContext(ctx, consul, args...)
		cmd.Dir = home
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", "", "", fmt.Errorf("make a certificate: %w\n%s", err, out)
		}
	}
	at := func(name string) string { return filepath.Join(home, name) }
	return at("consul-agent-ca.pem"), at("dc1-server-consul-0.pem"), at("dc1-server-consul-0-key.pem"), nil
}
