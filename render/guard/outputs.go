package guard

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// empty tells whether there is nothing in an output: only white space and comments.
func empty(output []byte) bool {
	for row := range bytes.Lines(output) {
		if row = bytes.TrimSpace(row); len(row) > 0 && row[0] != '#' {
			return false
		}
	}
	return true
}

// keeps tells whether one of the outputs that would be replaced has something in it.
func keeps(oldOutputs, newOutputs map[string][]byte) bool {
	for path := range newOutputs {
		if !empty(oldOutputs[path]) {
			return true
		}
	}
	return false
}

// emptied names the outputs that would be empty and are not.
func (l Limits) emptied(oldOutputs, newOutputs map[string][]byte) []string {
	var paths []string
	for path, output := range newOutputs {
		if !l.AllowEmpty && empty(output) && !empty(oldOutputs[path]) {
			paths = append(paths, plain(path))
		}
	}
	slices.Sort(paths)
	switch n := len(paths); {
	case n == 0:
		return nil
	case n == 1 && len(newOutputs) == 1:
		return []string{"the output would be empty"}
	}
	return []string{"outputs would be empty: " + strings.Join(paths[:min(named, len(paths))], ", ") + more(len(paths)-named, "output")}
}

// rewritten looks at the number of lines that change, wherever they stand. An output that
// was empty has none.
func (l Limits) rewritten(oldOutputs, newOutputs map[string][]byte) []string {
	if l.MaxChangeLines <= 0 {
		return nil
	}
	added, removed := 0, 0
	for path, output := range newOutputs {
		if old := oldOutputs[path]; !empty(old) {
			more, less := differ(old, output)
			added, removed = added+more, removed+less
		}
	}
	if added+removed <= l.MaxChangeLines {
		return nil
	}
	return []string{fmt.Sprintf("%d lines would change (%d added, %d removed, max_change_lines %d)", added+removed, added, removed, l.MaxChangeLines)}
}

// differ counts the lines that one text has and the other has not, without regard to
// their order.
func differ(old, output []byte) (added, removed int) {
	balance := map[string]int{}
	for row := range bytes.Lines(old) {
		balance[string(bytes.TrimSuffix(row, []byte("\n")))]--
	}
	for row := range bytes.Lines(output) {
		balance[string(bytes.TrimSuffix(row, []byte("\n")))]++
	}
	for _, n := range balance {
		added, removed = added+max(n, 0), removed+max(-n, 0)
	}
	return added, removed
}
