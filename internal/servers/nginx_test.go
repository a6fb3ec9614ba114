package servers

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers/installed"
)

// writeConf writes dir/nginx.conf with a version to ask for on the port that it
// returns, and more blocks.
func writeConf(t *testing.T, dir, more string) (conf string, port int) {
	t.Helper()
	port, err := FreePort()
	if err != nil {
		t.Fatal(err)
	}
	rewriteConf(t, dir, port, "v1", more)
	return filepath.Join(dir, "nginx.conf"), port
}

func rewriteConf(t *testing.T, dir string, port int, version, more string) {
	t.Helper()
	text := fmt.Sprintf("events {}\nhttp {\n%sserver { listen 127.0.0.1:%d; location / { return 200 %s; } }\n}\n%s\n", HTTPTemp(dir), port, version, more)
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func wantVersion(t *testing.T, port int, want string) {
	t.Helper()
	// Old workers go on accepting for a moment after a reload.
	Eventually(t, 10*time.Second, func() error {
		got, err := Get(t.Context(), LoadOptions{Addr: loopback(port)})
		if err == nil && got != want {
			err = fmt.Errorf("the version is %q, want %q", got, want)
		}
		return err
	})
}

func TestNginxReload(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	conf, port := writeConf(t, dir, "")
	n := RunNginx(t, dir, conf)
	wantVersion(t, port, "v1")

	rewriteConf(t, dir, port, "v2", "")
	if err := n.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantVersion(t, port, "v2")

	rewriteConf(t, dir, port, "v3", "")
	for _, command := range []string{n.CheckCommand(), n.ReloadCommand()} {
		if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
	wantVersion(t, port, "v3")

	rewriteConf(t, dir, port, "v4", "no_such_directive;")
	if err := n.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "no_such_directive") {
		t.Errorf("reload of a bad configuration: %v", err)
	}
	if err := n.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "no_such_directive") {
		t.Errorf("check of a bad configuration: %v", err)
	}
	if !strings.Contains(n.Log(), "no_such_directive") {
		t.Errorf("the log is %q", n.Log())
	}
	wantVersion(t, port, "v3")
}

// Workers that are only just forked have the title of a master until they run.
func TestNginxKillLeavesNoWorker(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	conf, _ := writeConf(t, dir, "")
	n := RunNginx(t, dir, conf)
	for range 20 {
		workers := n.Workers()
		n.Kill()
		for _, pid := range workers {
			if err := gone(pid); err != nil {
				t.Fatal(err)
			}
		}
		if err := n.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNginxStopKillRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	conf, port := writeConf(t, dir, "")
	n := RunNginx(t, dir, conf)
	pid, worker := n.PID(), n.Workers()[0]
	n.Kill()
	wantGone(t, worker)
	if err := n.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n.PID() == pid {
		t.Error("the same master after a restart")
	}
	wantVersion(t, port, "v1")
	if err := n.Quit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n.Running() {
		t.Error("it runs")
	}
	if _, err := net.Dial("tcp", loopback(port)); err == nil {
		t.Error("somebody still listens")
	}
	if err := n.Reload(t.Context()); err == nil {
		t.Error("a stopped nginx reloads")
	}
}

func TestNginxThatCannotStartShowsWhy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	conf, _ := writeConf(t, dir, "no_such_directive;")
	n, err := StartNginx(t.Context(), dir, conf)
	if err == nil {
		n.Stop()
		t.Fatal("started with a bad configuration")
	}
	if !strings.Contains(err.Error(), "no_such_directive") {
		t.Errorf("the error does not say why: %v", err)
	}
}

func TestNginxStream(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	plain, secure := RunTCPEcho(t), RunTLSEcho(t, "echo.example.com")
	ports, err := FreePorts(2)
	if err != nil {
		t.Fatal(err)
	}
	conf, _ := writeConf(t, dir, fmt.Sprintf(`stream {
		server { listen 127.0.0.1:%d; proxy_pass %s; }
		server { listen 127.0.0.1:%d; proxy_pass %s; }
	}`, ports[0], plain.Addr, ports[1], secure.Addr))
	RunNginx(t, dir, conf)

	conn, err := net.Dial("tcp", loopback(ports[0]))
	if err != nil {
		t.Fatal(err)
	}
	wantEcho(t, conn)
	conn, err = tls.Dial("tcp", loopback(ports[1]), secure.ClientConfig())
	if err != nil {
		t.Fatal(err)
	}
	wantEcho(t, conn)
	if _, err := tls.Dial("tcp", loopback(ports[1]), &tls.Config{ServerName: secure.Name}); err == nil {
		t.Error("a certificate that it has signed itself is trusted by all")
	}
	if plain.Accepted() != 1 || secure.Accepted() != 2 {
		t.Errorf("accepted %d and %d", plain.Accepted(), secure.Accepted())
	}
}

func wantEcho(t *testing.T, conn net.Conn) {
	t.Helper()
	defer conn.Close()
	if _, err := fmt.Fprintln(conn, "hello"); err != nil {
		t.Fatal(err)
	}
	if got, err := bufio.NewReader(conn).ReadString('\n'); err != nil || got != "hello\n" {
		t.Errorf("echoed %q, %v", got, err)
	}
}

func TestGlobalsLeaveWhatTheConfigurationSets(t *testing.T) {
	t.Parallel()
	found := installed.Nginx{StreamModule: "/m/ngx_stream_module.so"}
	tests := map[string]struct {
		conf string
		want []string // of daemon, pid, load_module
	}{
		"nothing":   {"events {}\n# pid x;\nhttp { upstream pid-daemon { server a; } }", []string{"daemon", "pid", "load_module"}},
		"all":       {"daemon off; pid x;\nload_module modules/ngx_stream_module.so;\nuser u;", nil},
		"Debian's":  {"user www-data;\npid /run/nginx.pid;\ninclude /etc/nginx/modules-enabled/*.conf;\n", []string{"daemon"}},
		"a comment": {"events {} # daemon on;\n", []string{"daemon", "pid", "load_module"}},
	}
	for name, tt := range tests {
		var got []string
		for directive := range strings.SplitSeq(Globals(tt.conf, "/d", found), ";") {
			if words := strings.Fields(directive); len(words) > 0 && words[0] != "user" {
				got = append(got, words[0])
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
}

func TestShellQuote(t *testing.T) {
	t.Parallel()
	for _, arg := range []string{"/usr/sbin/nginx", "daemon off; pid /a b;", "it's", "$HOME", ""} {
		out, err := exec.Command("sh", "-c", "printf %s "+shellQuote(arg)).Output()
		if err != nil || string(out) != arg {
			t.Errorf("%q arrives as %q, %v", arg, out, err)
		}
	}
}
