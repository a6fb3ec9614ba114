package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// patience bounds each wait for something that takes a moment, on a machine that
// is busy with other things.
const patience = 30 * time.Second

// demo is everything that runs, and how far the story has come.
type demo struct {
	page  *page
	stays bool // at the end, and pauses for the reader before

	place    *workplace
	backends map[string]*servers.HTTPBackend // by ID
	echo     *servers.TCPEcho
	ports    struct{ web, echo, mail int } // where nginx offers them
	nginx    *proxy                        // nil where there is none
	ctmpl    *ctmpl
	traffic  *traffic

	known     []string // instances of web that a chart shows
	inService []string // those that nginx is to send requests to
}

// run plays the story. end has to be called after it.
func (d *demo) run(ctx context.Context) error {
	if err := d.setUp(ctx); err != nil {
		return fmt.Errorf("set up: %w", err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if err := d.play(ctx, cancel); err != nil {
		return fmt.Errorf("step %d: %w%s", d.page.steps, err, d.lastWords())
	}
	if err := d.result(); err != nil || !d.stays {
		return err
	}
	return d.stay(ctx)
}

// lastWords gives what a ctmpl that runs has said, for an error. The error of one that
// has ended holds that.
func (d *demo) lastWords() string {
	if d.ctmpl == nil || d.ctmpl.ended() != nil {
		return ""
	}
	return "; the last lines of ctmpl:" + d.ctmpl.log.tail()
}

// play goes through the steps. cancel is called when ctmpl ends, which it is not
// to do.
func (d *demo) play(ctx context.Context, cancel context.CancelCauseFunc) error {
	if err := d.takeOver(ctx, cancel); err != nil {
		return err
	}
	for _, step := range d.steps() {
		if err := d.pause(ctx); err != nil {
			return err
		}
		if err := step(ctx); err != nil {
			return err
		}
	}
	return d.pause(ctx)
}

// steps are those between the first and the result.
func (d *demo) steps() []func(context.Context) error {
	steps := []func(context.Context) error{d.add, d.fail, d.remove, d.breakTemplate, d.mendTemplate, d.badValues, d.empty}
	if d.nginx != nil && d.nginx.stream {
		steps = append(steps, d.takenPort)
	}
	return steps
}

// setUp starts all but ctmpl, and builds that.
func (d *demo) setUp(ctx context.Context) (err error) {
	d.intro()
	if d.place, err = newWorkplace(); err != nil {
		return err
	}
	if err := d.startBackends(); err != nil {
		return err
	}
	if err := d.place.fill(d.catalog()); err != nil {
		return err
	}
	d.page.say("ctmpl is being built, which takes a while the first time …")
	if err := d.place.build(ctx); err != nil {
		return err
	}
	found, err := findNginx(ctx)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		d.withoutNginx(err)
		return nil
	}
	d.nginx = found
	d.traffic = &traffic{addr: "127.0.0.1:" + strconv.Itoa(d.ports.web)}
	return d.nginx.start(ctx, d.place, d.ports.web)
}

func (d *demo) startBackends() (err error) {
	d.backends = map[string]*servers.HTTPBackend{}
	for _, id := range []string{"web-1", "web-2", "web-3"} {
		if err := d.startBackend(id); err != nil {
			return err
		}
	}
	if d.echo, err = servers.StartTCPEcho(); err != nil {
		return err
	}
	ports, err := servers.FreePorts(3)
	if err != nil {
		return err
	}
	d.ports.web, d.ports.echo, d.ports.mail = ports[0], ports[1], ports[2]
	return nil
}

// startBackend starts a web server that takes a moment for each answer, so that
// there are requests under way when something changes.
func (d *demo) startBackend(id string) error {
	b, err := servers.StartHTTPBackend(id)
	if err != nil {
		return err
	}
	b.SetDelay(3 * time.Millisecond)
	d.backends[id] = b
	d.known = append(d.known, id)
	d.inService = append(d.inService, id)
	return nil
}

// catalog gives the catalog with the ports that there are.
func (d *demo) catalog() string {
	port := func(n int) string { return strconv.Itoa(n) }
	return strings.NewReplacer(
		"8080", port(d.ports.web), "9000", port(d.ports.echo), "7001", port(d.echo.Port),
		"8001", port(d.backends["web-1"].Port), "8002", port(d.backends["web-2"].Port), "8003", port(d.backends["web-3"].Port),
	).Replace(catalogText)
}

// end ends what run has started, each before what it needs.
func (d *demo) end(hurry context.Context) error {
	var errs []error
	if d.ctmpl != nil {
		errs = append(errs, d.ctmpl.stop(hurry))
	}
	if d.nginx != nil {
		errs = append(errs, d.nginx.stop(hurry))
	}
	if d.traffic != nil {
		d.traffic.stop() // result has read the counts, or nobody will
	}
	for _, b := range d.backends {
		b.Kill()
	}
	if d.echo != nil {
		d.echo.Stop()
	}
	if d.place != nil {
		errs = append(errs, d.place.remove())
	}
	return errors.Join(errs...)
}

// await waits until f gives no error.
func await(ctx context.Context, what string, f func() error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("not within %s", patience))
	defer cancel()
	if err := servers.Wait(ctx, f); err != nil {
		return fmt.Errorf("wait %s: %w", what, err)
	}
	return nil
}

// pause lets a reader at a terminal take a step in.
func (d *demo) pause(ctx context.Context) error {
	if !d.stays {
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(2 * time.Second):
		return nil
	}
}
