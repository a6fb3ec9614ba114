package main

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ctmpl/ctmpl/internal/servers"
)

var serverLine = regexp.MustCompile(`(?m)^\s*server \S+ weight=(\d+); # (\S+) on `)

// weights gives the weights of nginx's file by the IDs of the workers.
func (w *world) weights() (map[string]int, error) {
	text, err := os.ReadFile(w.conf)
	weights := map[string]int{}
	for _, match := range serverLine.FindAllStringSubmatch(string(text), -1) {
		weights[match[2]], _ = strconv.Atoi(match[1]) // it is digits
	}
	return weights, err
}

// inFile waits until nginx's file has that weight for a worker, 0: until it is not there.
func (w *world) inFile(ctx context.Context, id string, weight int) error {
	return servers.Wait(ctx, func() error {
		weights, err := w.weights()
		if err == nil && weights[id] != weight {
			err = fmt.Errorf("%s has the weight %d in nginx's file, want %d", id, weights[id], weight)
		}
		return err
	})
}

// follow waits until nginx has that weight for a worker, and all workers of nginx of before
// have ended: these go on to accept connections for a moment.
func (w *world) follow(ctx context.Context, id string, weight int, before []int) error {
	if err := w.inFile(ctx, id, weight); err != nil {
		return err
	}
	return servers.Wait(ctx, func() error {
		now := w.nginx.Workers()
		if len(now) == 0 || slices.ContainsFunc(before, func(pid int) bool { return slices.Contains(now, pid) }) {
			return fmt.Errorf("nginx's processes are %v and were %v", now, before)
		}
		return nil
	})
}

// reloads gives how often nginx has taken a new configuration, as its log says.
func (w *world) reloads() int { return strings.Count(w.nginx.Log(), ": reconfiguring\n") }

// retried gives how often nginx has got nothing from a server, and has asked another.
func (w *world) retried(addr string) int {
	return strings.Count(w.nginx.Log(), `upstream: "http://`+addr)
}
