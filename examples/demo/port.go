package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// takenPort enters a service for which nginx cannot listen, until it can.
func (d *demo) takenPort(ctx context.Context) error {
	d.page.step("A reload that does not take")
	other, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(d.ports.mail)))
	if err != nil {
		return err
	}
	defer other.Close()
	name := fmt.Sprintf("mail-%d", d.ports.mail)
	d.page.say("A TCP service is entered. nginx is to offer it on port %d, where another program listens. nginx -t "+
		"does not mind, and neither does nginx -s reload:", d.ports.mail)
	m, err := d.saveEdited(catalogFile, func(text string) string { return addService(text, "echo-1", name, "mail-1") })
	if err != nil {
		return err
	}
	said, err := d.complaint(ctx, m, "step=reload")
	if err != nil {
		return err
	}
	d.page.say("ctmpl looks whether new workers have taken over. They have not, so it puts the file before back:")
	d.showComplaint(said)
	if err := d.wentBack(ctx, m); err != nil {
		return err
	}
	if err := d.showSpread(ctx); err != nil {
		return err
	}
	return d.freePort(ctx, other, name)
}

// freePort ends the program that holds the port of a service.
func (d *demo) freePort(ctx context.Context, other io.Closer, name string) error {
	m, err := d.mark()
	if err != nil {
		return err
	}
	if err := other.Close(); err != nil {
		return err
	}
	if err := await(ctx, "for the new TCP service", func() error { return d.echoes(ctx, d.ports.mail) }); err != nil {
		return err
	}
	d.page.say("Then the other program ends. ctmpl tries again by itself, and %s later %s answers.",
		milliseconds(time.Since(m.at)), name)
	_, err = d.said(ctx, m, loggedReloaded)
	return err
}

// wentBack waits until nginx.conf is as it was before, as it is between two attempts.
func (d *demo) wentBack(ctx context.Context, m mark) error {
	if _, err := d.said(ctx, m, "put back as it was"); err != nil {
		return err
	}
	return await(ctx, "for nginx.conf to be as before", func() error {
		rendered, err := d.place.read(renderedFile)
		if err == nil && rendered != m.rendered {
			err = fmt.Errorf("it is:\n%s", rendered)
		}
		return err
	})
}
