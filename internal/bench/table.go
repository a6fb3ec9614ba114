package main

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"
)

// table is one in Markdown, under a line that says what was measured, where and when.
type table struct {
	what    string
	columns []string // the first is that of the rows' names
	rows    [][]string
}

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) print(w io.Writer) {
	fmt.Fprintf(w, "%s, %d cores, %s\n\n", t.what, runtime.NumCPU(), time.Now().UTC().Format(time.DateOnly))
	printRow(w, t.columns)
	fmt.Fprintln(w, strings.Repeat("|---", len(t.columns))+"|")
	for _, row := range t.rows {
		printRow(w, row)
	}
}

func printRow(w io.Writer, cells []string) {
	fmt.Fprintln(w, strings.TrimSuffix("| "+strings.Join(cells, " | "), " ")+" |")
}
