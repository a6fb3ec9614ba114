package main

import "context"

// The key that gets bad values, and these. The first passes nginx -t where a template
// prints it as it is; the second is one that only nginx knows to be bad.
const (
	bufferKey  = "nginx/buffer"
	mischief   = "4k; server { listen 8081; root /; } #"
	tooMuch    = "1m"
	bestBuffer = "8k"
)

// badValues writes values into a key that must not go live.
func (d *demo) badValues(ctx context.Context) error {
	d.page.step("A bad value in the KV store")
	d.page.say("Whoever may write a key may write anything. As it is, this one would pass nginx -t, and have " +
		"nginx serve the whole disk on port 8081:")
	if err := d.refuse(ctx, mischief, "nginxSize"); err != nil {
		return err
	}
	if d.nginx != nil {
		d.page.say("This is a size, but too large a one. That is known to nginx alone:")
		if err := d.refuse(ctx, tooMuch, "step=check"); err != nil {
			return err
		}
		d.page.say("So nginx -t sees a file before it is live. Nothing was reloaded, and nothing is lost.")
		if err := d.showSpread(ctx); err != nil {
			return err
		}
	}
	d.page.say("Then somebody writes what was meant:")
	return d.changeCatalog(ctx, func(text string) string { return setKey(text, bufferKey, bestBuffer) }, nothing)
}

// refuse writes a value, and shows what ctmpl has against it. It is to say where.
func (d *demo) refuse(ctx context.Context, value, where string) error {
	m, err := d.saveEdited(catalogFile, func(text string) string { return setKey(text, bufferKey, value) })
	if err != nil {
		return err
	}
	said, err := d.complaint(ctx, m, where)
	if err != nil {
		return err
	}
	d.page.say("ctmpl leaves everything as it is, and says:")
	d.showComplaint(said)
	return d.untouched(m)
}
