package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// These files are part of the program, so that it runs from any directory of the
// repository.
var (
	//go:embed nginx.conf.tmpl
	templateText []byte
	//go:embed ctmpl.hcl
	configText string
)

// ports are those of nginx, in ascending order as in its file.
type ports struct {
	http, https, grpc int
	tls               int // by host, for all such services
	tcp, ownTLS       int // in the name of the service
}

// writeFiles puts what ctmpl reads into the directory, and chooses the ports of nginx.
func (w *world) writeFiles(ctx context.Context) error {
	free, err := servers.FreePorts(6)
	if err != nil {
		return err
	}
	slices.Sort(free)
	w.ports = ports{http: free[0], https: free[1], grpc: free[2], tls: free[3], tcp: free[4], ownTLS: free[5]}
	w.addr = local(w.ports.http)
	// More than one nginx may run here.
	own := fmt.Sprintf("nginx {\n  config = %q\n  prefix = %q\n  pid_file = %q\n}\n", w.conf, w.dir, filepath.Join(w.dir, "nginx.pid"))
	for name, text := range map[string]string{
		"nginx.conf.tmpl": string(templateText),
		"ctmpl.hcl":       strings.ReplaceAll(configText, "/etc/nginx/nginx.conf", w.conf),
		"nginx.hcl":       own,
	} {
		if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return w.loadStream(ctx)
}

// loadStream has the shipped template load the module, where it is one.
func (w *world) loadStream(ctx context.Context) error {
	found, err := servers.FindNginx(ctx)
	if err != nil || found.StreamModule == "" {
		return err
	}
	dir := filepath.Join(w.dir, "modules-enabled")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "stream.conf"), []byte("load_module "+found.StreamModule+";\n"), 0o644)
}

// args gives the command line of ctmpl. reload is the command that reloads nginx, if it
// runs already; ctmpl.hcl needs none.
func (w *world) args(reload string) []string {
	args := []string{"-consul-addr=" + w.agent.HTTPAddr}
	if w.handwritten {
		pair := "nginx.conf.tmpl:" + w.conf
		if reload != "" {
			pair += ":" + reload
		}
		return append(args, "-template", pair)
	}
	args = append(args, "-config", "ctmpl.hcl", "-config", "nginx.hcl")
	for name, value := range w.vars() {
		args = append(args, "-var", name+"="+value)
	}
	return args
}

// vars are such that nginx listens on free ports, keeps its files in the directory and
// does not need root. All else is as ctmpl.hcl says.
func (w *world) vars() map[string]string {
	in := func(name string) string { return filepath.Join(w.dir, name) }
	return map[string]string{
		"address": "127.0.0.1", "user": "", "open_files": "", "temp_dir": w.dir,
		"modules": in("modules-enabled/*.conf"), "pid": in("nginx.pid"),
		"error_log": in("error.log"), "access_log": in("access.log"), "stream_log": in("stream.log"),
		"http_listen": strconv.Itoa(w.ports.http), "https_listen": strconv.Itoa(w.ports.https),
		"grpc_listen": strconv.Itoa(w.ports.grpc), "tls_listen": strconv.Itoa(w.ports.tls),
	}
}

// gatewayEnv is what the template is told so that nginx listens on addr, keeps its
// files in dir and does not need root. servers.Globals gives the rest.
func gatewayEnv(dir, addr string) []string {
	return []string{
		"GATEWAY_LISTEN=" + addr,
		"GATEWAY_DIR=" + dir,
		"GATEWAY_MODULES=" + filepath.Join(dir, "modules", "*.conf"),
	}
}

// template gives the name of the template that is rendered.
func (w *world) template() string {
	if w.handwritten {
		return "nginx.conf.tmpl"
	}
	return "@nginx/gateway.conf"
}

// local gives the address of a port on 127.0.0.1.
func local(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }
