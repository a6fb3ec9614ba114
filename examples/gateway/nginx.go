package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// file gives nginx's main file, which ctmpl writes.
func (w *world) file() (string, error) {
	text, err := os.ReadFile(w.conf)
	return string(text), err
}

// upstream is a line of nginx's file. Those of the shipped template are called by what
// stands before the name of the service.
var upstream = regexp.MustCompile(`(?m)^\s*upstream (?:_route\.)?(\S+) \{`)

// exposed gives the services that nginx's file has an upstream for.
func (w *world) exposed() ([]string, error) {
	text, err := w.file()
	var names []string
	for _, match := range upstream.FindAllStringSubmatch(text, -1) {
		names = append(names, match[1])
	}
	return names, err
}

// inFile waits until the file has the address of an instance, or has it no longer.
func (w *world) inFile(ctx context.Context, addr string, want bool) error {
	return servers.Wait(ctx, func() error {
		text, err := w.file()
		if err == nil && strings.Contains(text, "server "+addr+" ") != want {
			err = fmt.Errorf("it should be %t that nginx's file has the server %s", want, addr)
		}
		return err
	})
}

// gone waits until nginx has no worker left that would send requests to addr.
// before are the workers of when the instance was still there.
func (w *world) gone(ctx context.Context, addr string, before []int) error {
	if err := w.inFile(ctx, addr, false); err != nil {
		return err
	}
	return w.replaced(ctx, before)
}

// replaced waits until other workers have taken the place of these, which go on to
// accept connections for a moment after a reload. One with a TCP connection stays as
// long as that.
func (w *world) replaced(ctx context.Context, before []int) error {
	return servers.Wait(ctx, func() error {
		now := w.nginx.Workers()
		if len(now) == 0 || slices.ContainsFunc(before, func(pid int) bool { return slices.Contains(now, pid) }) {
			return fmt.Errorf("nginx's workers are %v and were %v", now, before)
		}
		return nil
	})
}

// answers waits for an answer of that container through nginx.
func (w *world) answers(ctx context.Context, container string) error {
	return servers.Wait(ctx, func() error {
		answer, err := servers.Get(ctx, site(w.addr, "/"))
		if err == nil && !strings.HasPrefix(answer, container+" ") {
			err = errors.New(container + " does not answer, but " + answer)
		}
		return err
	})
}
