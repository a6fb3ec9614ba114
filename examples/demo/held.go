package main

import "context"

// empty turns the checks of all instances critical, and then passing again.
func (d *demo) empty(ctx context.Context) error {
	d.page.step("The catalog is emptied")
	d.page.say("All web servers turn critical at once. They are well: it is whoever checks them that has failed.")
	m, err := d.saveEdited(catalogFile, d.statusOfAll("critical"))
	if err != nil {
		return err
	}
	said, err := d.said(ctx, m, "WRN", "rollout held")
	if err != nil {
		return err
	}
	d.page.say("ctmpl takes this for an accident, by guard in ctmpl.hcl, which counts from the most that there was " +
		"within a minute. It holds the change back:")
	d.showComplaint(valueOf(said, "why"))
	d.page.say("It goes live when somebody approves it (ctmpl approve), or after ten minutes. Until then the last good " +
		"nginx.conf stays, with the instances that it has.")
	if err := d.showSpread(ctx); err != nil {
		return err
	}
	if err := d.untouched(m); err != nil {
		return err
	}
	return d.fill(ctx)
}

// fill has the catalog recover.
func (d *demo) fill(ctx context.Context) error {
	d.page.say("The checks pass again:")
	m, err := d.saveEdited(catalogFile, d.statusOfAll("passing"))
	if err != nil {
		return err
	}
	if _, err := d.said(ctx, m, "no longer held"); err != nil {
		return err
	}
	d.page.say("There is nothing to hold any more, and nothing to do: nginx.conf is as it should be.")
	return d.untouched(m)
}

// statusOfAll gives the edit that sets the checks of all instances in service.
func (d *demo) statusOfAll(status string) func(string) string {
	return func(text string) string {
		for _, id := range d.inService {
			text = setStatus(text, id, status)
		}
		return text
	}
}
