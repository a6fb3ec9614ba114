package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// intro says what there is to see.
func (d *demo) intro() {
	d.page.line(bold, "ctmpl keeps the upstreams of nginx true to the service catalog.")
	d.page.line(plain, "")
	d.page.code(plain,
		"catalog.hcl     ─┐",
		"                 ├─▶  ctmpl  ──▶  nginx.conf  ──▶  nginx  ──▶  web-1 web-2 web-3",
		"nginx.conf.tmpl ─┘")
	d.page.say("The catalog says which services run where. In life it is Consul's; here it is a " +
		"file, so that you can see it change. All of this runs on 127.0.0.1, and goes away at the end.")
}

// withoutNginx says how to get nginx, and that it goes on without.
func (d *demo) withoutNginx(why error) {
	d.page.say("nginx cannot be used here: %s.", strings.TrimSpace(why.Error()))
	d.page.say("So this shows what ctmpl renders, and sends no requests. To see all of it, install nginx and its " +
		"stream module, and run the demo again:")
	d.page.code(plain,
		"apt-get install nginx libnginx-mod-stream    Debian, Ubuntu",
		"dnf install nginx nginx-mod-stream           Fedora",
		"apk add nginx nginx-mod-stream               Alpine")
}

// takeOver starts ctmpl beside an nginx that runs already.
func (d *demo) takeOver(ctx context.Context, cancel context.CancelCauseFunc) error {
	config := d.place.config(d.nginx != nil)
	if err := d.place.save(configFile, config); err != nil {
		return err
	}
	var env []string
	if d.nginx == nil {
		d.page.step("ctmpl renders nginx.conf")
		d.page.say("The catalog has three web servers. ctmpl is started with ctmpl.hcl:")
	} else {
		d.page.step("ctmpl takes over")
		d.page.say("Three web servers run. nginx runs, too, and knows of none of them: it answers 503. " +
			"ctmpl is started with ctmpl.hcl:")
		env = d.nginx.env()
	}
	_, settings, _ := strings.Cut(config, "\n\n") // without the comment
	d.page.line(plain, "")
	d.page.code(cyan, strings.Split(strings.TrimSpace(settings), "\n")...)
	return d.firstRender(ctx, cancel, env, []string{"-config", configFile})
}

// firstRender starts ctmpl and shows what it has rendered.
func (d *demo) firstRender(ctx context.Context, cancel context.CancelCauseFunc, env, args []string) error {
	m, err := d.mark()
	if err != nil {
		return err
	}
	if d.ctmpl, err = startCtmpl(d.place, env, args...); err != nil {
		return err
	}
	d.ctmpl.watch(ctx, cancel)
	took, err := d.live(ctx, m)
	if err != nil {
		return err
	}
	rendered, err := d.place.read(renderedFile)
	if err != nil {
		return err
	}
	if d.nginx == nil {
		d.page.say("%s later this is in nginx.conf, among other lines:", milliseconds(took))
	} else {
		d.page.say("%s later nginx serves this, which is in nginx.conf among other lines:", milliseconds(took))
	}
	for _, block := range upstreamBlock.FindAllString(rendered, -1) {
		d.page.code(green, strings.Split(block, "\n")...)
	}
	if err := d.drain(ctx, m); err != nil {
		return err
	}
	if err := d.tryEcho(ctx); err != nil {
		return err
	}
	return d.showSpread(ctx)
}

var upstreamBlock = regexp.MustCompile(`(?m)^    upstream [^}]*}`)

// tryEcho sends a line through the TCP service.
func (d *demo) tryEcho(ctx context.Context) error {
	if d.nginx == nil || !d.nginx.stream {
		return nil
	}
	if err := d.echoes(ctx, d.ports.echo); err != nil {
		return err
	}
	d.page.say("The TCP service answers through nginx: %q, sent to port %d, came back.", hello, d.ports.echo)
	return nil
}

const hello = "hello"

// echoes tells whether a line comes back from a TCP port of nginx.
func (d *demo) echoes(ctx context.Context, port int) error {
	back, err := echo(ctx, port, hello)
	if err == nil && back != hello {
		err = fmt.Errorf("%q came back", back)
	}
	if err != nil {
		return fmt.Errorf("send %q to the TCP service through nginx: %w", hello, err)
	}
	return nil
}

// add starts an instance and enters it.
func (d *demo) add(ctx context.Context) error {
	d.page.step("An instance is added")
	if err := d.startBackend("web-4"); err != nil {
		return err
	}
	d.page.say("One more web server has started, web-4. It is entered in catalog.hcl:")
	return d.changeCatalog(ctx, func(text string) string {
		return addInstance(text, "web-3", "web-4", d.backends["web-4"].Port)
	}, nothing)
}

// fail turns the check of an instance critical.
func (d *demo) fail(ctx context.Context) error {
	d.page.step("An instance fails")
	d.backends["web-2"].SetHealthy(false)
	d.outOfService("web-2")
	d.page.say("The health check of web-2 turns critical:")
	return d.changeCatalog(ctx, func(text string) string { return setStatus(text, "web-2", "critical") }, nothing)
}

// remove takes an instance out and stops it.
func (d *demo) remove(ctx context.Context) error {
	d.page.step("An instance is removed")
	d.outOfService("web-1")
	d.page.say("web-1 is no longer needed. First its entry goes:")
	return d.changeCatalog(ctx, func(text string) string { return removeInstance(text, "web-1") }, func() error {
		err := d.backends["web-1"].Stop()
		delete(d.backends, "web-1")
		d.page.say("Then web-1 is stopped, once nothing is under way to it any more.")
		return err
	})
}

func (d *demo) outOfService(id string) {
	d.inService = slices.DeleteFunc(d.inService, func(other string) bool { return other == id })
}

func nothing() error { return nil }

// result adds up. A request that failed is an error.
func (d *demo) result() error {
	d.page.step("The result")
	if d.nginx == nil {
		d.page.say("Every change of the catalog was in nginx.conf at once. What was broken, or looked like an accident, was not.")
		return nil
	}
	d.traffic.stop()
	total := d.traffic.total
	d.page.line(plain, "")
	d.page.line(bold, "   %s requests were sent all the while: %d failed.", count(total.Requests), total.Failures)
	d.page.say("Each took a connection of its own. Meanwhile nginx was reloaded %d times. The slowest answer took %s.",
		d.reloads(), milliseconds(total.Slowest))
	return total.Err()
}

func (d *demo) reloads() int {
	n := 0
	for _, e := range d.ctmpl.log.since(0) {
		if strings.Contains(e.text, loggedReloaded) {
			n++
		}
	}
	return n
}
