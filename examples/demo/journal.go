package main

import (
	"bytes"
	"strings"
	"sync"
	"time"
)

// journal takes in what a program prints, line by line, with the time of arrival.
type journal struct {
	mu      sync.Mutex
	entries []entry
	rest    []byte // the beginning of a line
}

type entry struct {
	at   time.Time
	text string
}

// Write implements io.Writer.
func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.rest = append(j.rest, p...)
	for {
		line, rest, ok := bytes.Cut(j.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		j.entries = append(j.entries, entry{time.Now(), string(line)})
		j.rest = bytes.Clone(rest)
	}
}

// len gives how many lines there are.
func (j *journal) len() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.entries)
}

// since gives the lines from the nth on.
func (j *journal) since(n int) []entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.entries[n:len(j.entries):len(j.entries)]
}

// find gives the first line from the nth on that holds all the words.
func (j *journal) find(n int, words ...string) (entry, bool) {
	for _, e := range j.since(n) {
		all := true
		for _, w := range words {
			all = all && strings.Contains(e.text, w)
		}
		if all {
			return e, true
		}
	}
	return entry{}, false
}

// tail gives the last lines, for an error.
func (j *journal) tail() string {
	entries := j.since(0)
	text := ""
	for _, e := range entries[max(0, len(entries)-10):] {
		text += "\n\t" + e.text
	}
	return text
}
