package main

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"
)

// The edit of the template: right in one line, with a slip in another.
const (
	rightWord, wrongWord = "service", "servise"
	rangeAction          = `{{- range %s "http.web" }}`
	serverLine, better   = `{{ nginxServer . }};`, `{{ nginxServer . }} max_fails=3;`
)

// breakTemplate saves a template with a slip in it.
func (d *demo) breakTemplate(ctx context.Context) error {
	d.page.step("Somebody slips in the template")
	d.page.say("Each server is to get one more setting. While at it, somebody makes a typo and saves:")
	m, err := d.saveEdited(templateFile, func(text string) string {
		text = strings.Replace(text, fmt.Sprintf(rangeAction, rightWord), fmt.Sprintf(rangeAction, wrongWord), 1)
		return strings.Replace(text, serverLine, better, 1)
	})
	if err != nil {
		return err
	}
	place, err := d.placeOf(wrongWord)
	if err != nil {
		return err
	}
	said, err := d.complaint(ctx, m, place)
	if err != nil {
		return err
	}
	d.page.say("ctmpl says where, and what:")
	d.showComplaint(said)
	d.page.say("The last good nginx.conf stays. Nothing is reloaded, and nothing is lost.")
	if err := d.showSpread(ctx); err != nil {
		return err
	}
	return d.untouched(m)
}

// placeOf gives file, line and column of a word in the template.
func (d *demo) placeOf(word string) (string, error) {
	text, err := d.place.read(templateFile)
	if err != nil {
		return "", err
	}
	before, _, ok := strings.Cut(text, word)
	if !ok {
		return "", fmt.Errorf("%s does not hold %q", templateFile, word)
	}
	line := before[strings.LastIndex(before, "\n")+1:]
	return fmt.Sprintf("%s:%d:%d:", templateFile, strings.Count(before, "\n")+1, utf8.RuneCountInString(line)+1), nil
}

// mendTemplate corrects the slip.
func (d *demo) mendTemplate(ctx context.Context) error {
	d.page.step("The template is mended")
	d.page.say("The typo is corrected:")
	m, err := d.saveEdited(templateFile, func(text string) string {
		return strings.ReplaceAll(text, wrongWord, rightWord)
	})
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
	return d.showSpread(ctx)
}
