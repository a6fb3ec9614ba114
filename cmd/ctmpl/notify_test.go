package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// systemd is told when everything is rendered, and when ctmpl ends.
func TestSystemdIsTold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "notify")
	socket, err := net.ListenPacket("unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	source, catalog := filepath.Join(dir, "in.tmpl"), filepath.Join(dir, "catalog.hcl")
	for file, text := range map[string]string{source: `{{ range services }}{{ .Name }}{{ end }}`, catalog: `service { name = "web" }`} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "hold"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program(t), "-catalog", catalog, "-template", source+":"+filepath.Join(dir, "out")+
		fmt.Sprintf(":cd %s; grep web out || { touch begun; cat hold; }", dir))
	cmd.Env = append(os.Environ(), fastExit, "NOTIFY_SOCKET="+path)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	told := func(want string) {
		t.Helper()
		message := make([]byte, 100)
		_ = socket.SetReadDeadline(time.Now().Add(wait))
		n, _, err := socket.ReadFrom(message)
		if err != nil || string(message[:n]) != want {
			t.Fatalf("got %q and %v, want %s", message[:n], err, want)
		}
	}
	told("READY=1")
	if out, err := os.ReadFile(filepath.Join(dir, "out")); err != nil || string(out) != "web" {
		t.Errorf("got %q, %v", out, err)
	}
	// Before the end, which the command holds up.
	if err := os.WriteFile(catalog, []byte(`service { name = "api" }`), 0o644); err != nil {
		t.Fatal(err)
	}
	servers.Eventually(t, wait, func() error {
		_, err := os.Stat(filepath.Join(dir, "begun"))
		return err
	})
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	told("STOPPING=1")
	hold, err := os.OpenFile(filepath.Join(dir, "hold"), os.O_WRONLY, 0) // the command goes on
	if err != nil {
		t.Fatal(err)
	}
	_ = hold.Close()
}
