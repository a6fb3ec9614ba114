package main

import (
	"fmt"
	"slices"
	"strings"
)

// barLength is that of the longest bar, in characters.
const barLength = 40

// chart prints a bar for each row. A row that has got nothing gets its name and 0.
func (p *page) chart(rows []string, counts map[string]int) {
	most, name := 1, 0
	for _, row := range rows {
		most, name = max(most, counts[row]), max(name, len(row))
	}
	for _, row := range rows {
		n := counts[row]
		bar := strings.Repeat("█", (n*barLength+most/2)/most)
		p.line(plain, "     %-*s  %s%s%s", name, row, p.paint(green, bar), gap(bar), p.paint(bold, fmt.Sprint(n)))
	}
}

// gap parts a bar from its number.
func gap(bar string) string {
	if bar == "" {
		return ""
	}
	return " "
}

// misrouted tells what is wrong with a spread of requests over instances: each one
// in service is to have got some, and nobody else any.
func misrouted(inService []string, counts map[string]int) error {
	for _, id := range inService {
		if counts[id] == 0 {
			return fmt.Errorf("no request has reached %s: %v", id, counts)
		}
	}
	for id := range counts {
		if !slices.Contains(inService, id) {
			return fmt.Errorf("requests have reached %s, which is not in service: %v", id, counts)
		}
	}
	return nil
}
