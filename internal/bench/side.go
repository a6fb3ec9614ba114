package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"
	"golang.org/x/sync/errgroup"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// content is what is in one Consul, and changes it.
type content interface {
	seed() error
	template() string
	lines() int // of what it gives
	change(recent int, tell func(name string, number int)) error
}

// serviceTemplate gives all services with all their instances.
const serviceTemplate = `{{range services}}{{if in .Tags "http"}}upstream {{.Name}} {
{{range service .Name}}  server {{.Address}}:{{.Port}} max_fails=3 fail_timeout=60;
{{end}}}
{{end}}{{end}}`

// recentServices is how many have changed when those that changed before are measured.
const recentServices = 30

// side is one of the two programs, with a Consul of its own and what was measured.
type side struct {
	name, path string
	dir        string
	agent      *servers.Consul
	content    content
	port       int      // of the agent, which connections are counted to
	reach      []string // the flags with which the program reaches it

	cold           []time.Duration // start of the program to the complete file
	delays, recent []time.Duration // PUT to file
	changes        int
	busy, idle     spent // in all changes to random services, and after them
	connections    int   // the most at once
	refused        int   // requests
	uncounted      error // why one of these two may be wrong
	resident, peak int64 // memory, bytes
	commands       int   // for a burst, in the last round
	commandsWait   int   // for one with wait
}

// startSide starts a Consul with more configuration than the default, and with services.
func startSide(ctx context.Context, name, path, dir, config string, s shape) (*side, error) {
	return startWith(ctx, name, path, dir, config, func(client *api.Client) content { return newRegistry(client, s) })
}

// startWith starts and seeds a Consul.
func startWith(ctx context.Context, name, path, dir, config string, fill func(*api.Client) content) (*side, error) {
	agent, err := servers.StartConsul(ctx, servers.ConsulOptions{Config: config})
	if err != nil {
		return nil, err
	}
	s := &side{name: name, path: path, dir: dir, agent: agent, content: fill(agent.Client), reach: []string{"-consul-addr", agent.HTTPAddr}}
	_, text, err := net.SplitHostPort(agent.HTTPAddr)
	if err == nil {
		s.port, err = strconv.Atoi(text)
	}
	if err == nil {
		err = s.content.seed()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("seed Consul: %w", err), agent.Stop())
	}
	return s, nil
}

// services is the content of a side that has services.
func (s *side) registry() *registry { return s.content.(*registry) }

// running is a program with the file that it keeps.
type running struct {
	*program
	file *arrivals
}

func (r *running) stop() {
	r.program.stop()
	r.file.close()
}

// start runs the program with the template and what else is to be in the
// configuration, and returns when the first file is complete.
func (s *side) start(ctx context.Context, above, within string) (*running, error) {
	dir, err := os.MkdirTemp(s.dir, "run-")
	if err != nil {
		return nil, err
	}
	source, dest, config := filepath.Join(dir, "in.tmpl"), filepath.Join(dir, "nginx", "upstreams.conf"), filepath.Join(dir, "config.hcl")
	if err := os.Mkdir(filepath.Dir(dest), 0o755); err != nil {
		return nil, err
	}
	text := fmt.Sprintf("%s\ntemplate {\n  source = %q\n  destination = %q\n  %s\n}\n", above, source, dest, within)
	for path, text := range map[string]string{source: s.content.template(), config: text} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	file, err := watchFile(dest)
	if err != nil {
		return nil, err
	}
	p, err := startProgram(ctx, dir, s.path, append([]string{"-config", config}, s.reach...)...)
	if err != nil {
		file.close()
		return nil, err
	}
	r := &running{p, file}
	if err := file.complete(p.lives, s.content.lines()); err != nil {
		r.stop()
		return nil, r.explain(fmt.Errorf("the first file: %w", err))
	}
	s.cold = append(s.cold, time.Since(p.started))
	return r, nil
}

// change makes changes at a rate, and waits for the file with all of them.
func (s *side) change(ctx context.Context, file *arrivals, n, recent int, all time.Duration) ([]time.Duration, error) {
	const atOnce = 8 // changes under way; they count as connections, too
	var group errgroup.Group
	group.SetLimit(atOnce)
	err := evenly(ctx, n, all, func() error {
		group.Go(func() error { return s.content.change(recent, file.expect) })
		return nil
	})
	if failed := group.Wait(); err == nil {
		err = failed
	}
	if err != nil {
		return nil, err
	}
	return file.take(ctx)
}

// count watches what the agent is burdened with, until it is stopped.
func (s *side) count(ctx context.Context, each time.Duration) (stop func()) {
	refused, err := countRefusals(s.port)
	if err != nil {
		progress("%v", err)
		s.uncounted = err
	}
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() {
		for ; ctx.Err() == nil; pause(ctx, each) {
			n, err := connections(s.port)
			if err != nil {
				s.uncounted = err
			}
			s.connections = max(s.connections, n)
		}
	})
	return func() {
		cancel()
		group.Wait()
		if refused != nil {
			s.refused += refused.stop()
		}
	}
}

// refusedText is "?" where it could not be counted.
func (s *side) refusedText() string {
	if s.uncounted != nil {
		return "?"
	}
	return strconv.Itoa(s.refused)
}

// weigh notes the memory of the program.
func (s *side) weigh(pid int) {
	resident, peak := memory(pid)
	s.resident, s.peak = max(s.resident, resident), max(s.peak, peak)
}
