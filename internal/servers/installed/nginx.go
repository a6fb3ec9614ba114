package installed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// Nginx is an nginx that can serve http and stream.
type Nginx struct {
	Path    string // of the binary, absolute
	Version string // "1.22.1"
	// StreamModule is the shared object to load before a stream block may be
	// used; "" when stream is compiled in.
	StreamModule string
}

// ErrNoStream says that nginx is there and cannot serve stream.
var ErrNoStream = errors.New("nginx has no stream module")

// FindNginx looks for nginx in PATH and where distributions put it, which is not
// in the PATH of everybody.
func FindNginx(ctx context.Context) (Nginx, error) {
	path, err := findProgram("nginx", "/usr/sbin", "/usr/local/sbin", "/usr/local/bin")
	if err != nil {
		return Nginx{}, errors.New(`nginx is not installed: run "make test" as root, or install nginx and its stream module`)
	}
	out, err := exec.CommandContext(ctx, path, "-V").CombinedOutput()
	if err != nil {
		return Nginx{}, fmt.Errorf("ask %s for its version: %w\n%s", path, err, out)
	}
	n := Nginx{Path: path, Version: firstGroup(versionRE, string(out))}
	if staticStreamRE.Match(out) {
		return n, nil
	}
	for _, dir := range moduleDirs(string(out)) {
		file := filepath.Join(dir, "ngx_stream_module.so")
		if _, err := os.Stat(file); err == nil {
			n.StreamModule = file
			return n, nil
		}
	}
	return n, fmt.Errorf("%s: %w (on Debian: apt-get install libnginx-mod-stream)", path, ErrNoStream)
}

var (
	versionRE      = regexp.MustCompile(`nginx version: \S+/(\S+)`)
	staticStreamRE = regexp.MustCompile(`--with-stream(?:\s|$)`)
	modulesPathRE  = regexp.MustCompile(`--modules-path=(\S+)`)
	prefixRE       = regexp.MustCompile(`--prefix=(\S+)`)
)

// moduleDirs are the places of shared modules, given the output of nginx -V.
func moduleDirs(built string) []string {
	var dirs []string
	if dir := firstGroup(modulesPathRE, built); dir != "" {
		dirs = append(dirs, dir)
	}
	if dir := firstGroup(prefixRE, built); dir != "" {
		dirs = append(dirs, filepath.Join(dir, "modules"))
	}
	return append(dirs, "/usr/lib/nginx/modules")
}

func firstGroup(re *regexp.Regexp, text string) string {
	if m := re.FindStringSubmatch(text); m != nil {
		return strings.Trim(m[1], `'"`)
	}
	return ""
}

// findProgram looks in PATH first, then in the directories given.
func findProgram(name string, dirs ...string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return filepath.Abs(path)
	}
	for _, dir := range dirs {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", exec.ErrNotFound
}
