package nginx

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// built is what was set when nginx was compiled. All paths are absolute, but
// errorLog may be a name such as "stderr".
type built struct{ prefix, conf, pidFile, errorLog string }

// askTimeout is for nginx -V, which only prints.
const askTimeout = 10 * time.Second

// builds keeps the answers of nginx -V for as long as the binaries are the same.
type builds struct {
	mu    sync.Mutex
	known map[string]knownBuild
}

type knownBuild struct {
	info os.FileInfo
	built
}

func (b *builds) of(ctx context.Context, binary string) (built, error) {
	info, err := os.Stat(binary)
	if err != nil {
		return built{}, fmt.Errorf("find nginx: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if known, ok := b.known[binary]; ok && os.SameFile(known.info, info) && known.info.ModTime().Equal(info.ModTime()) {
		return known.built, nil
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "-V")
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		return built{}, fmt.Errorf("run %s -V: %w: %s", binary, err, oneLine(string(out)))
	}
	if !strings.Contains(string(out), "configure arguments:") {
		return built{}, fmt.Errorf("%s is not nginx: its -V says nothing of how it was configured", binary)
	}
	if b.known == nil {
		b.known = make(map[string]knownBuild)
	}
	parsed := parseBuilt(string(out))
	b.known[binary] = knownBuild{info, parsed}
	return parsed, nil
}

// builtRE is an argument of configure: bare, or in quotes as a whole or in its value.
var builtRE = regexp.MustCompile(`--(prefix|conf-path|pid-path|error-log-path)=(?:'([^']*)'|(\S+))`)

// parseBuilt reads the output of nginx -V. What is not set has the defaults of
// auto/options and auto/init of nginx's source.
func parseBuilt(out string) built {
	set := map[string]string{"prefix": "/usr/local/nginx"}
	for _, m := range builtRE.FindAllStringSubmatch(out, -1) {
		set[m[1]] = m[2] + strings.TrimSuffix(m[3], "'")
	}
	b := built{prefix: set["prefix"]}
	for _, p := range []struct {
		to             *string
		name, fallback string
	}{{&b.conf, "conf-path", "conf/nginx.conf"}, {&b.pidFile, "pid-path", "logs/nginx.pid"}, {&b.errorLog, "error-log-path", "logs/error.log"}} {
		if *p.to = set[p.name]; *p.to == "" {
			*p.to = p.fallback
		}
		if *p.to != "stderr" {
			*p.to = absolute(*p.to, b.prefix)
		}
	}
	return b
}

// absolute makes a path absolute against a directory.
func absolute(path, dir string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}

// defaultBinary is the nginx to use when none is configured and none runs.
func defaultBinary() (string, error) {
	if path, err := exec.LookPath("nginx"); err == nil {
		return filepath.Abs(path)
	}
	// Distributions put it where only root's PATH leads.
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin", "/usr/local/nginx/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, "nginx")); err == nil {
			return path, nil
		}
	}
	return "", errors.New("nginx is not installed: it is not in PATH and not in /usr/sbin (set binary)")
}
