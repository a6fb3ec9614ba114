package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The edit of the template: right in one line, with a slip in another.
const (
	rightWord, wrongWord = "service", "servise"
	rangeAction          = `{{- range %s "http.web" }}`
	serverLine, better   = `{{ .Port }}; #`, `{{ .Port }} max_fails=3; #`
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
	if err := d.showComplaint(ctx, m); err != nil {
		return err
	}
	d.page.say("The last good nginx.conf stays. Nothing is reloaded, and nothing is lost.")
	if err := d.showSpread(ctx); err != nil {
		return err
	}
	return d.untouched(m)
}

// untouched tells whether a broken template has had an effect all the same.
func (d *demo) untouched(m mark) error {
	rendered, err := d.place.read(renderedFile)
	_, ran := d.ctmpl.log.find(m.logged, loggedRan)
	if err == nil && (ran || rendered != m.rendered) {
		err = errors.New("the broken template has changed nginx.conf, or nginx was reloaded")
	}
	return err
}

// showComplaint shows what ctmpl says of a broken template. It is to name the place.
func (d *demo) showComplaint(ctx context.Context, m mark) error {
	place, err := d.placeOf(wrongWord)
	if err != nil {
		return err
	}
	var said string
	err = await(ctx, "for ctmpl to complain of "+place, func() error {
		e, ok := d.ctmpl.log.find(m.logged, "ERR", place)
		if !ok {
			return errors.New("it has not")
		}
		said = e.text
		return nil
	})
	if err != nil {
		return err
	}
	d.page.say("ctmpl says where, and what:")
	message, line, _ := strings.Cut(errorOf(said), ": in the line: ")
	for _, part := range wrap(message, width-5) {
		d.page.code(red, part)
	}
	d.page.code(red, "in the line: "+line)
	return nil
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

// errorOf gives the error in a line that ctmpl has logged.
func errorOf(logged string) string {
	if m := errorValue.FindStringSubmatch(logged); m != nil {
		if text, err := strconv.Unquote(m[1]); err == nil {
			return text
		}
	}
	return logged
}

var errorValue = regexp.MustCompile(`error=("(?:[^"\\]|\\.)*")`)

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
