package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// way is a program with a configuration, and what was measured of it.
type way struct {
	name, path string
	wait       bool   // wait = "1s:5s"
	driver     bool   // reload = "nginx" in place of a command
	more       string // further keys of the template

	asked, done    int             // reloads
	delays         []time.Duration // of changes, until they are served
	last           time.Duration   // end of the last change until it is served
	single         servers.LoadResult
	kept, keptLost int64
}

// waysOf are those that the table has, in its order.
func waysOf(programs programs) []*way {
	return []*way{
		{name: peerName, path: programs.peer},
		{name: peerName + ", `wait`", path: programs.peer, wait: true},
		{name: "ctmpl", path: programs.own},
		{name: "ctmpl, `wait`", path: programs.own, wait: true},
		{name: "ctmpl, `reload`", path: programs.own, driver: true},
		{name: "ctmpl, `reload`, `wait`, `urgent`", path: programs.own, driver: true, wait: true, more: `urgent = "removals"`},
		{name: "ctmpl, `reload`, `min_reload_interval = \"2s\"`", path: programs.own, driver: true, more: `min_reload_interval = "2s"`},
		{name: "ctmpl, `reload`, `max_reloads_per_minute = 6`", path: programs.own, driver: true, more: `max_reloads_per_minute = 6`},
	}
}

// start runs the program. The context that it gives ends when the program does; stop
// ends it in good order.
func (w *way) start(ctx context.Context, site *site, addr string, log *bytes.Buffer) (lives context.Context, stop func(), err error) {
	config := filepath.Join(site.dir, "config.hcl")
	if err := os.WriteFile(config, []byte(w.config(site)), 0o644); err != nil {
		return nil, nil, err
	}
	cmd := exec.CommandContext(ctx, w.path, "-consul-addr", addr, "-log-level", "err", "-config", config)
	cmd.Env = append(os.Environ(), "STATE_DIRECTORY="+filepath.Join(site.dir, "state"))
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	lives, ended := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ended(fmt.Errorf("the program has ended: %v", cmd.Wait()))
	}()
	return lives, func() {
		_ = cmd.Process.Signal(os.Interrupt)
		<-done
	}, nil
}

// config is in the language of both, but for what only ctmpl has.
func (w *way) config(site *site) string {
	text, effect := "", "command = "+strconv.Quote(site.ReloadCommand())
	if w.wait {
		text = "wait = \"1s:5s\"\n"
	}
	if w.driver {
		effect = "reload = \"nginx\"\n  nginx { pid_file = " + strconv.Quote(filepath.Join(site.dir, "nginx.pid")) + " }"
	}
	return text + fmt.Sprintf("template {\n  source = %q\n  destination = %q\n  %s\n  %s\n}\n", site.source, site.dest, effect, w.more)
}
