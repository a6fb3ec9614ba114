package main

import (
	"fmt"
	"strings"

	"github.com/aymanbagabas/go-udiff"
)

// contextLines are shown around a change: enough to see of which instance it is.
const contextLines = 2

// diff prints what differs between two versions of a file as a unified diff. The
// line above it names the file.
func (p *page) diff(before, after string) error {
	d, err := udiff.ToUnifiedDiff("before", "after", before, udiff.Lines(before, after), contextLines)
	if err != nil {
		return fmt.Errorf("compare two versions of a file: %w", err)
	}
	for _, hunk := range d.Hunks {
		p.hunk(hunk)
	}
	return nil
}

// hunk prints one place of a diff, without the empty lines around it.
func (p *page) hunk(h *udiff.Hunk) {
	lines, from, to := h.Lines, h.FromLine, h.ToLine
	for isEmpty(lines[0]) {
		lines, from, to = lines[1:], from+1, to+1
	}
	for isEmpty(lines[len(lines)-1]) {
		lines = lines[:len(lines)-1]
	}
	var texts []string
	olds, news := len(lines), len(lines)
	for _, l := range lines {
		switch l.Kind {
		case udiff.Delete:
			texts, news = append(texts, "- "+l.Content), news-1
		case udiff.Insert:
			texts, olds = append(texts, "+ "+l.Content), olds-1
		default:
			texts = append(texts, "  "+l.Content)
		}
	}
	p.code(cyan, fmt.Sprintf("@@ -%d,%d +%d,%d @@", from, olds, to, news))
	for _, text := range texts {
		p.code(colourOf(text), strings.TrimRight(text, "\n"))
	}
}

// isEmpty tells whether a line has no text and is the same on both sides. A hunk
// holds at least one that is not.
func isEmpty(l udiff.Line) bool { return l.Kind == udiff.Equal && strings.TrimSpace(l.Content) == "" }

// colourOf gives the colour of a line of a diff.
func colourOf(line string) string {
	switch line[0] {
	case '+':
		return green
	case '-':
		return red
	}
	return dim
}
