package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"time"
)

// mark is how things stood before a change.
type mark struct {
	at       time.Time
	logged   int    // lines of ctmpl
	workers  []int  // of nginx
	rendered string // the configuration
}

func (d *demo) mark() (mark, error) {
	rendered, err := d.place.read(renderedFile)
	if errors.Is(err, fs.ErrNotExist) { // before the first time
		err = nil
	}
	m := mark{at: time.Now(), rendered: rendered}
	if d.ctmpl != nil {
		m.logged = d.ctmpl.log.len()
	}
	if d.nginx != nil {
		m.workers = d.nginx.Workers()
	}
	return m, err
}

// What ctmpl logs when it has written the file, and when nginx has taken it over.
const loggedWrote, loggedReloaded = "wrote file=", "reloaded program="

// changeCatalog edits the catalog and shows what becomes of it. after is called
// when nginx has let go of what it knew before.
func (d *demo) changeCatalog(ctx context.Context, edit func(string) string, after func() error) error {
	m, err := d.saveEdited(catalogFile, edit)
	if err != nil {
		return err
	}
	took, err := d.live(ctx, m)
	if err != nil {
		return err
	}
	if err := d.showRendered(m); err != nil {
		return err
	}
	d.showTime(m, took)
	if err := d.drain(ctx, m); err != nil {
		return err
	}
	if err := after(); err != nil {
		return err
	}
	return d.showSpread(ctx)
}

// saveEdited edits a file of the workplace, shows the change and saves it. The mark
// is from the moment before.
func (d *demo) saveEdited(name string, edit func(string) string) (mark, error) {
	before, err := d.place.read(name)
	if err != nil {
		return mark{}, err
	}
	after := edit(before)
	if after == before {
		return mark{}, fmt.Errorf("%s has not the lines to be changed", name)
	}
	if err := d.page.diff(before, after); err != nil {
		return mark{}, err
	}
	m, err := d.mark()
	if err != nil {
		return mark{}, err
	}
	return m, d.place.save(name, after)
}

// live returns when there is a new configuration with the instances in service, and
// nginx serves it. It gives the time that this took.
func (d *demo) live(ctx context.Context, m mark) (time.Duration, error) {
	var took time.Duration
	err := await(ctx, "for the change to take effect", func() error {
		err := d.rendered(m)
		if err == nil && d.nginx != nil {
			err = d.nginx.reloaded(ctx, m.workers)
		}
		took = time.Since(m.at)
		return err
	})
	if err != nil {
		return took, err
	}
	return took, await(ctx, "for ctmpl to be done", func() error { return d.done(m) })
}

// done tells whether ctmpl has logged all that a change makes it log.
func (d *demo) done(m mark) error {
	words := []string{loggedWrote}
	if d.nginx != nil {
		words = append(words, loggedReloaded)
	}
	for _, w := range words {
		if _, ok := d.ctmpl.log.find(m.logged, w); !ok {
			return fmt.Errorf("it has not logged %q", w)
		}
	}
	return nil
}

// rendered tells whether nginx.conf is not as before, and has the instances in
// service.
func (d *demo) rendered(m mark) error {
	text, err := d.place.read(renderedFile)
	switch {
	case err != nil:
		return err
	case text == m.rendered:
		return errors.New("nginx.conf is as before")
	}
	var has []string
	for _, m := range webServer.FindAllStringSubmatch(text, -1) {
		has = append(has, m[1])
	}
	if !slices.Equal(has, d.inService) {
		return fmt.Errorf("nginx.conf has the instances %q, want %q", has, d.inService)
	}
	return nil
}

// webServer is what the template makes of an instance of web.
var webServer = regexp.MustCompile(`(?m)^ +server \S+.*; # (web-\d+)$`)

// showRendered shows what ctmpl has made of a change.
func (d *demo) showRendered(m mark) error {
	rendered, err := d.place.read(renderedFile)
	if err != nil {
		return err
	}
	d.page.say("ctmpl made this of it, in nginx.conf:")
	return d.page.diff(m.rendered, rendered)
}

// showTime says how long a change took, and who took it.
func (d *demo) showTime(m mark, took time.Duration) {
	if d.nginx == nil {
		d.page.say("It was written %s after the file was saved.", milliseconds(took))
		return
	}
	wrote, _ := d.ctmpl.log.find(m.logged, loggedWrote)
	d.page.say("nginx serves it %s after the file was saved: ctmpl had checked and written nginx.conf after %s, then nginx reloaded.",
		milliseconds(took), milliseconds(wrote.at.Sub(m.at)))
}

// drain waits until nginx has let go of the configuration before.
func (d *demo) drain(ctx context.Context, m mark) error {
	if d.nginx == nil {
		return nil
	}
	return await(ctx, "for requests under way to end", func() error { return d.nginx.drained(m.workers) })
}

// showSpread shows who answers requests from here on.
func (d *demo) showSpread(ctx context.Context) error {
	if d.nginx == nil {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("not within %s", patience))
	defer cancel()
	result, err := d.traffic.spread(ctx)
	if err != nil {
		return fmt.Errorf("send requests: %w", err)
	}
	if err := misrouted(d.inService, result.Backends); err != nil {
		return err
	}
	d.page.say("Who answers the next %d requests:", result.Requests)
	d.page.chart(d.known, result.Backends)
	d.known = slices.Clone(d.inService)
	return nil
}
