package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// The functions of this file edit the text of the catalog as a person would, so
// that comments and order stay. In it each service is a paragraph of its own. What
// is not found stays as it is.

// addInstance copies the paragraph of the instance like, for the instance id on
// port, below it.
func addInstance(text, like, id string, port int) string {
	paragraphs := strings.Split(text, "\n\n")
	at := slices.IndexFunc(paragraphs, isOf(like))
	if at < 0 {
		return text
	}
	added := strings.ReplaceAll(strings.TrimSpace(paragraphs[at]), quote(like), quote(id))
	added = portLine.ReplaceAllString(added, fmt.Sprintf("${1}%d", port))
	paragraphs[at] = strings.TrimRight(paragraphs[at], "\n")
	paragraphs = slices.Insert(paragraphs, at+1, added)
	return strings.TrimRight(strings.Join(paragraphs, "\n\n"), "\n") + "\n"
}

var portLine = regexp.MustCompile(`(?m)^(\s*port\s*=\s*)\d+`)

// addService appends the service name with the instance id, which is like another one
// in all else.
func addService(text, like, name, id string) string {
	paragraphs := strings.Split(text, "\n\n")
	at := slices.IndexFunc(paragraphs, isOf(like))
	if at < 0 {
		return text
	}
	added := strings.ReplaceAll(strings.TrimSpace(paragraphs[at]), quote(like), quote(id))
	return strings.TrimRight(text, "\n") + "\n\n" + set(added, id, "name", name) + "\n"
}

// setStatus sets the status of the check of an instance.
func setStatus(text, id, status string) string { return set(text, id, "status", status) }

// set sets what the paragraph of an instance says, as a text, of something.
func set(text, id, what, value string) string {
	said := regexp.MustCompile(`(\b` + what + `\s*=\s*)"[^"]*"`)
	paragraphs := strings.Split(text, "\n\n")
	for i, p := range paragraphs {
		if isOf(id)(p) {
			paragraphs[i] = said.ReplaceAllString(p, "${1}"+quote(value))
		}
	}
	return strings.Join(paragraphs, "\n\n")
}

// setKey sets the value of a key.
func setKey(text, key, value string) string {
	return regexp.MustCompile(`("`+key+`"\s*=\s*)"[^"]*"`).ReplaceAllString(text, "${1}"+quote(value))
}

// removeInstance takes the paragraph of an instance out.
func removeInstance(text, id string) string {
	paragraphs := slices.DeleteFunc(strings.Split(text, "\n\n"), isOf(id))
	return strings.TrimRight(strings.Join(paragraphs, "\n\n"), "\n") + "\n"
}

// isOf tells whether a paragraph is that of an instance.
func isOf(id string) func(paragraph string) bool {
	return func(paragraph string) bool { return strings.Contains(paragraph, quote(id)) }
}

func quote(s string) string { return `"` + s + `"` }
