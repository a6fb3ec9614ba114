package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// said waits until ctmpl has logged a line with all the words, and gives it.
func (d *demo) said(ctx context.Context, m mark, words ...string) (string, error) {
	var text string
	err := await(ctx, fmt.Sprintf("for ctmpl to say %q", words), func() error {
		e, ok := d.ctmpl.log.find(m.logged, words...)
		if !ok {
			return errors.New("it has not")
		}
		text = e.text
		return nil
	})
	return text, err
}

// complaint waits for an error with all the words, and gives what is wrong.
func (d *demo) complaint(ctx context.Context, m mark, words ...string) (string, error) {
	text, err := d.said(ctx, m, append([]string{"ERR"}, words...)...)
	return valueOf(text, "error"), err
}

// showComplaint prints what ctmpl has to say.
func (d *demo) showComplaint(text string) {
	message, line, inLine := strings.Cut(text, ": in the line: ")
	for _, part := range wrap(message, width-5) {
		d.page.code(red, part)
	}
	if inLine {
		d.page.code(red, "in the line: "+line)
	}
}

// valueOf gives a value that is in quotes in a line that ctmpl has logged.
func valueOf(logged, name string) string {
	if m := regexp.MustCompile(` ` + name + `=("(?:[^"\\]|\\.)*")`).FindStringSubmatch(logged); m != nil {
		if text, err := strconv.Unquote(m[1]); err == nil {
			return text
		}
	}
	return logged
}

// untouched tells whether something has had an effect that was to have none.
func (d *demo) untouched(m mark) error {
	rendered, err := d.place.read(renderedFile)
	_, wrote := d.ctmpl.log.find(m.logged, loggedWrote)
	_, reloaded := d.ctmpl.log.find(m.logged, loggedReloaded)
	if err == nil && (wrote || reloaded || rendered != m.rendered) {
		err = errors.New("nginx.conf has changed, or nginx was reloaded")
	}
	return err
}
