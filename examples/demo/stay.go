package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// followTime is how often stay looks for news from ctmpl.
const followTime = 50 * time.Millisecond

// stay says what to try and shows what ctmpl logs, until a signal comes.
func (d *demo) stay(ctx context.Context) error {
	shown := d.ctmpl.log.len()
	d.page.step("Your turn")
	d.page.say("Everything goes on until Ctrl-C. In another terminal, try:")
	d.page.line(plain, "")
	if d.nginx != nil {
		d.try(fmt.Sprintf("curl http://%s/", d.nginx.addr), "who answers; ask again, and it is another one")
	}
	if d.nginx != nil && d.nginx.stream {
		d.try(fmt.Sprintf("nc 127.0.0.1 %d", d.ports.echo), "what you type comes back, by TCP")
	}
	d.try("${EDITOR:-vi} "+d.place.path(catalogFile), "make web-2 passing again, and save")
	d.try("${EDITOR:-vi} "+d.place.path(templateFile), "break it, and see what ctmpl says")
	d.try("cat "+d.place.path(renderedFile), "what ctmpl has made of the two")
	d.try(d.place.program()+" status -state-dir "+d.place.path("state"), "how nginx.conf is, and why; also: approve, rollback, release")
	d.page.say("What ctmpl logs from now on:")
	return d.follow(ctx, shown)
}

// try prints a command, and what it is good for.
func (d *demo) try(command, what string) {
	d.page.code(cyan, command)
	d.page.code(dim, "    "+what)
}

// follow prints the lines of ctmpl from the nth on. A signal is the end of it, and
// no error.
func (d *demo) follow(ctx context.Context, n int) error {
	ticker := time.NewTicker(followTime)
	defer ticker.Stop()
	for {
		for _, e := range d.ctmpl.log.since(n) {
			d.page.code(plain, e.text)
			n++
		}
		select {
		case <-ctx.Done():
			var by *stoppedBy
			if err := context.Cause(ctx); !errors.As(err, &by) {
				return err
			}
			return nil
		case <-ticker.C:
		}
	}
}
