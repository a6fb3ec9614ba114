package main

import (
	"context"
	"fmt"
	"os"
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

// start runs the program.
func (w *way) start(ctx context.Context, site *site, addr string) (*program, error) {
	config := filepath.Join(site.dir, "config.hcl")
	if err := os.WriteFile(config, []byte(w.config(site)), 0o644); err != nil {
		return nil, err
	}
	return startProgram(ctx, site.dir, w.path, "-consul-addr", addr, "-config", config)
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
