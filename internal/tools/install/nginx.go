package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers/installed"
)

// nginxPackages are the packages of Debian and its kin: the server, and the
// module that serves stream.
var nginxPackages = []string{"nginx", "libnginx-mod-stream"}

// findNginx is a variable so that a test can run on a machine without nginx.
var findNginx = installed.FindNginx

// provideNginx finds an nginx with stream, or installs it.
func provideNginx(ctx context.Context, stderr io.Writer) (string, error) {
	if found, err := findNginx(ctx); err == nil {
		return "nginx " + found.Version + ": already there", nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return "", errors.New("nginx with its stream module is missing: install both with the package manager of this system")
	}
	if os.Geteuid() != 0 {
		return "", fmt.Errorf("nginx with its stream module is missing: run "+
			"sudo apt-get install -y --no-install-recommends %s %s", nginxPackages[0], nginxPackages[1])
	}
	fmt.Fprintln(stderr, "nginx: installing with apt-get")
	start := time.Now()
	if err := aptInstall(ctx, nginxPackages...); err != nil {
		return "", err
	}
	found, err := findNginx(ctx)
	if err != nil {
		return "", fmt.Errorf("after apt-get install: %w", err)
	}
	return fmt.Sprintf("nginx %s: installed in %.0f s", found.Version, time.Since(start).Seconds()), nil
}

// luaPackage is the module that runs Lua in nginx, and luaModule what it brings.
const (
	luaPackage = "libnginx-mod-http-lua"
	luaModule  = "/usr/lib/nginx/modules/ngx_http_lua_module.so"
)

// provideLua installs the module for Lua where that can be done. One test looks at what
// nginx does when Lua fails; without the module something else stands in there.
func provideLua(ctx context.Context, stderr io.Writer) string {
	if _, err := os.Stat(luaModule); err == nil {
		return "nginx-lua: already there"
	}
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return "nginx-lua: not available, going on without it: install " + luaPackage + " to test with it"
	}
	fmt.Fprintln(stderr, "nginx-lua: installing with apt-get")
	if err := aptInstall(ctx, luaPackage); err != nil {
		return "nginx-lua: not available, going on without it: " + err.Error()
	}
	return "nginx-lua: installed"
}

// aptInstall installs the packages and leaves no nginx running that did not run
// before: the tests start their own, and port 80 is not theirs to take.
func aptInstall(ctx context.Context, packages ...string) error {
	cache, err := os.UserCacheDir()
	if err != nil {
		return fmt.Errorf("find the cache directory for the lock: %w", err)
	}
	unlock, err := lock(filepath.Join(cache, "ctmpl", "apt.lock"))
	if err != nil {
		return err
	}
	defer unlock()
	ran := serviceRuns(ctx)
	allow, err := denyServices("/usr/sbin/policy-rc.d")
	if err != nil {
		return err
	}
	defer allow()
	if err := apt(ctx, "update"); err != nil {
		return err
	}
	args := append([]string{"install", "-y", "--no-install-recommends"}, packages...)
	if err := apt(ctx, args...); err != nil {
		return err
	}
	if !ran && serviceRuns(ctx) { // the policy of this system let it start
		return runShown(exec.CommandContext(ctx, "service", "nginx", "stop"), "stop the nginx service")
	}
	return nil
}

// apt runs apt-get; another apt that holds the lock is waited for.
func apt(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "apt-get", append([]string{"-o", "DPkg::Lock::Timeout=300"}, args...)...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	return runShown(cmd, "apt-get "+args[0])
}

func serviceRuns(ctx context.Context) bool {
	return exec.CommandContext(ctx, "service", "nginx", "status").Run() == nil
}

// denyServices tells the package scripts not to start services, by Debian's
// policy-rc.d (exit code 101: forbidden by policy). A policy that is there
// already stays in force. The script allows everything again by itself once this
// process is gone, so that a kill cannot leave the machine with it.
func denyServices(policy string) (allow func(), err error) {
	script := fmt.Sprintf("#!/bin/sh\n# Only while the ctmpl tests install nginx.\n[ -d /proc/%d ] || exit 0\nexit 101\n", os.Getpid())
	file, err := os.OpenFile(policy, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if errors.Is(err, os.ErrExist) {
		return func() {}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("keep the nginx service from starting: %w", err)
	}
	_, err = file.WriteString(script)
	if err := errors.Join(err, file.Close()); err != nil {
		os.Remove(policy)
		return nil, fmt.Errorf("keep the nginx service from starting: %w", err)
	}
	return func() { os.Remove(policy) }, nil
}
