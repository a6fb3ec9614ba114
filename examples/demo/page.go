package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mattn/go-isatty"
)

// width is how long a line of prose gets.
const width = 84

// The colours, as escape sequences for terminals.
const (
	plain = ""
	bold  = "\x1b[1m"
	dim   = "\x1b[2m"
	red   = "\x1b[31m"
	green = "\x1b[32m"
	cyan  = "\x1b[36m"
	reset = "\x1b[0m"
)

// page lays out what the reader sees. That nobody reads any more is no error: it
// comes as a signal.
type page struct {
	w      io.Writer
	colour bool
	steps  int
}

func newPage(out *os.File) *page {
	term := os.Getenv("TERM")
	return &page{w: out, colour: isTerminal(out) && os.Getenv("NO_COLOR") == "" && term != "" && term != "dumb"}
}

func isTerminal(f *os.File) bool { return isatty.IsTerminal(f.Fd()) }

// paint gives text in a colour.
func (p *page) paint(colour, text string) string {
	if !p.colour || colour == plain {
		return text
	}
	return colour + text + reset
}

// line prints one line.
func (p *page) line(colour, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	fmt.Fprintln(p.w, strings.TrimRight(p.paint(colour, text), " "))
}

// step begins a numbered step.
func (p *page) step(title string) {
	p.steps++
	head := fmt.Sprintf("── %d  %s ", p.steps, title)
	p.line(plain, "")
	p.line(bold, "%s%s", head, strings.Repeat("─", max(0, width-utf8.RuneCountInString(head))))
}

// say prints a paragraph.
func (p *page) say(format string, args ...any) {
	p.line(plain, "")
	for _, line := range wrap(fmt.Sprintf(format, args...), width-3) {
		p.line(plain, "   %s", line)
	}
}

// code prints lines as they are, below a paragraph.
func (p *page) code(colour string, lines ...string) {
	for _, line := range lines {
		p.line(colour, "     %s", line)
	}
}

// wrap breaks a text into lines of at most n characters, between words.
func wrap(text string, n int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= n:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	return append(lines, line)
}

// milliseconds writes a duration for the reader.
func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%d ms", max(0, d.Milliseconds()))
}

// count writes a number with a comma between thousands.
func count(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", count(n/1000), n%1000)
}
