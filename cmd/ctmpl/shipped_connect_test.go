package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// sidecar registers a service with a sidecar, and starts Consul's own proxy for it.
func (l *live) sidecar(name string, port int) {
	l.t.Helper()
	free, err := servers.FreePort()
	if err != nil {
		l.t.Fatal(err)
	}
	l.register(&api.AgentServiceRegistration{ID: name, Name: name, Port: port, Connect: &api.AgentServiceConnect{
		SidecarService: &api.AgentServiceRegistration{Port: free, Address: "127.0.0.1", Checks: api.AgentServiceChecks{{TTL: "1h", Status: "passing"}}},
	}})
	consul, err := servers.ConsulPath()
	if err != nil {
		l.t.Fatal(err)
	}
	cmd := exec.Command(consul, "connect", "proxy", "-sidecar-for", name, "-http-addr", l.consul.HTTPAddr, "-log-level", "warn")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	log, err := os.Create(l.path(name + ".log"))
	if err != nil {
		l.t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

// connected is the block template for a way into the mesh.
func (l *live) connected(source, upstream, port, file string) string {
	return l.real(fmt.Sprintf(`template {
  source = "@nginx/connect-%s.conf"
  destination = "DIR/%s"
  command = "COMMAND"
  vars { service = "web" upstream = %q listen = "127.0.0.1:PORT-%s" tls_dir = "DIR/tls" max_fails = 3 lb = "least_conn" }
}
`, source, file, upstream, port))
}

// What is typed into a local port comes back from a service of the mesh, by mutual TLS;
// somebody who is none of the mesh is refused.
func TestShippedConnect(t *testing.T) {
	t.Parallel()
	l := &live{gateway: newGateway(t), consul: servers.RunConsul(t, servers.ConsulOptions{})}
	echo, page, liar := servers.RunTCPEcho(t), servers.RunHTTPBackend(t, "page"), servers.RunTLSEcho(t, "liar")
	l.sidecar("socat", echo.Port)
	l.sidecar("page", page.Port)
	l.register(&api.AgentServiceRegistration{
		Kind: api.ServiceKindConnectProxy, ID: "liar-proxy", Name: "liar-proxy", Port: liar.Port, Proxy: &api.AgentServiceConnectProxyConfig{DestinationServiceName: "liar"},
	})
	config := l.connected("stream", "socat", "echo", "socat.conf") + l.connected("http", "page", "http", "page.conf") + l.connected("stream", "liar", "mail so_keepalive=on", "liar.conf")
	file := l.write("ctmpl.hcl", strings.ReplaceAll(config, "COMMAND", "true"))
	l.run("-once", "-state-dir", "none", "-config", file, "-consul-addr", l.consul.HTTPAddr)
	golden(t, "connect-stream.conf", l.connectDump("socat.conf"))
	golden(t, "connect-http.conf", l.connectDump("page.conf"))

	nginx := servers.RunNginx(t, l.dir, l.path("main.conf"))
	l.write("ctmpl.hcl", strings.ReplaceAll(config, "COMMAND", fmt.Sprintf("kill -HUP %d", nginx.PID())))
	l.ctmpl = runIn(t, l.dir, "-config", file, "-consul-addr", l.consul.HTTPAddr, "-state-dir", l.path("state"))
	dial := func(port string) error {
		got, err := echoed(net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", l.ports[port])))
		if err == nil && got != "hello\n" {
			err = fmt.Errorf("got %q", got)
		}
		return err
	}
	servers.Eventually(t, 60*time.Second, func() error { return dial("echo") })
	l.eventually("anything", "/", "page")
	if err := dial("mail"); err == nil {
		t.Error("somebody who is none of the mesh is taken for a service")
	}
	if log, err := os.ReadFile(l.path("error.log")); err != nil || !strings.Contains(string(log), "certificate verify failed") {
		t.Errorf("nginx did not refuse the certificate of the liar: %v\n%s", err, log)
	}
	info, err := os.Stat(l.path("tls/connect/web.pem"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key is in a file with %v, %v", info.Mode(), err)
	}
	if strings.Contains(l.ctmpl.log.text(), "PRIVATE") {
		t.Error("the log holds the key")
	}
}

// connectDump gives a file as nginx reads it, with the files of both kinds included.
func (l *live) connectDump(file string) string {
	main := l.included("http", l.path("page.conf"))
	text, err := os.ReadFile(main)
	if err != nil {
		l.t.Fatal(err)
	}
	l.write("main.conf", string(text)+"\nstream { include "+l.path("socat.conf")+"; include "+l.path("liar.conf")+"; }\n")
	return serverPort.ReplaceAllString(l.dump(main, l.path(file)), "server 127.0.0.1:PORT ")
}

// serverPort is that of a sidecar, which differs each time.
var serverPort = regexp.MustCompile(`server 127\.0\.0\.1:\d+ `)
