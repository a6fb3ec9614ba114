package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/hashicorp/consul/api"
)

// template is what both render for the files: all services with all their instances.
const template = `{{range services}}{{if in .Tags "http"}}upstream {{.Name}} {
{{range service .Name}}  server {{.Address}}:{{.Port}} max_fails=3 fail_timeout=60;
{{end}}}
{{end}}{{end}}`

// firstPort is the first of the ports that changes set; each is used once.
const firstPort = 10_000

// deadline bounds the wait for one file.
const deadline = 2 * time.Minute

// catalog is what is in Consul.
type catalog struct {
	client *api.Client
	plan   filesPlan
	next   int // change
}

// seed registers all services, on nodes of their own for each instance number.
func (c *catalog) seed() error {
	for s := range c.plan.services {
		for i := range c.plan.instances {
			if err := c.register(s, i, 1+s%firstPort); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *catalog) register(service, instance, port int) error {
	_, err := c.client.Catalog().Register(&api.CatalogRegistration{
		Node: fmt.Sprintf("node-%d-%d", service%100, instance), Address: fmt.Sprintf("10.%d.%d.%d", instance, service/250, service%250+1),
		Service: &api.AgentService{
			ID: fmt.Sprintf("svc-%d-%d", service, instance), Service: fmt.Sprintf("svc-%d", service), Port: port, Tags: []string{"http"},
		},
	}, nil)
	return err
}

// change gives one instance a port that was not used before, and tells which.
func (c *catalog) change() (port int, err error) {
	c.next++
	port = firstPort + c.next
	return port, c.register(c.next%c.plan.services, c.next%c.plan.instances, port)
}

// measure runs a program for one round.
func (c *contender) measure(ctx context.Context, dir, addr string, cat *catalog) error {
	out, err := os.MkdirTemp(dir, "out-")
	if err != nil {
		return err
	}
	source, dest := filepath.Join(dir, "in.tmpl"), filepath.Join(out, "upstreams.conf")
	if err := os.WriteFile(source, []byte(template), 0o644); err != nil {
		return err
	}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	defer watcher.Close()
	if err := watcher.Add(out); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, c.path, "-consul-addr", addr, "-log-level", "err", "-template", source+":"+dest)
	cmd.Env = append(os.Environ(), "STATE_DIRECTORY="+filepath.Join(dir, "state")) // as systemd gives it
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	var log bytes.Buffer
	cmd.Stderr = &log
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	}()
	file := &follower{path: dest, events: watcher.Events}
	if err := file.until(ctx, []byte(fmt.Sprintf("upstream svc-%d {", cat.plan.services-1))); err != nil {
		return fmt.Errorf("the first file: %w\n%s", err, &log)
	}
	c.first = append(c.first, time.Since(start))
	return c.follow(ctx, cmd.Process.Pid, file, cat)
}

// follow makes the changes of a round, one after the other.
func (c *contender) follow(ctx context.Context, pid int, file *follower, cat *catalog) error {
	before := cpuTime(pid)
	for range cat.plan.changes {
		start := time.Now()
		port, err := cat.change()
		if err != nil {
			return err
		}
		if err := file.until(ctx, []byte(":"+strconv.Itoa(port)+" ")); err != nil {
			return err
		}
		c.delays = append(c.delays, time.Since(start))
		c.changes++
		// Consul-template asks again after 100 to 120 ms at the earliest; a change in
		// that time would measure its pause rather than its work.
		pause(ctx, 130*time.Millisecond)
	}
	c.cpu += cpuTime(pid) - before
	c.connections = max(c.connections, connections(pid))
	c.memory = max(c.memory, resident(pid))
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// follower waits for a file to hold a text.
type follower struct {
	path   string
	events <-chan fsnotify.Event
}

func (f *follower) until(ctx context.Context, text []byte) error {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	for {
		if data, err := os.ReadFile(f.path); err == nil && bytes.Contains(data, text) {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("%q is not in the file", text), ctx.Err())
		case <-f.events:
		}
	}
}

// cpuTime is the time that a process has used, in user and in kernel mode.
func cpuTime(pid int) time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest) // from the third on, see proc_pid_stat(5)
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	const tick = 10 * time.Millisecond // sysconf(_SC_CLK_TCK) is 100 on Linux
	return time.Duration(user+system) * tick
}

// resident is the memory of a process, in bytes.
func resident(pid int) int64 {
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	pages, _ := strconv.ParseInt(strings.Fields(string(statm))[1], 10, 64)
	return pages * int64(syscall.Getpagesize())
}

// connections counts the sockets of a process.
func connections(pid int) int {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0
	}
	n := 0
	for _, e := range entries {
		if target, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil && strings.HasPrefix(target, "socket:") {
			n++
		}
	}
	return n
}
