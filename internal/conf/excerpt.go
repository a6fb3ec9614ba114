package conf

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"unicode/utf8"
)

// Excerpt shows the line of an *Error with a caret below the place, or nothing where
// there is no such line. What stands in quotes is left out, unless it is a key: it
// may be a secret.
func Excerpt(err error) string {
	var at *Error
	if !errors.As(err, &at) || at.Pos.Line == 0 {
		return ""
	}
	src, readErr := os.ReadFile(at.Pos.File)
	lines := bytes.Split(src, []byte("\n"))
	if readErr != nil || at.Pos.Line > len(lines) {
		return ""
	}
	line, before := blank(strings.TrimRight(string(lines[at.Pos.Line-1]), "\r"), at.Pos.Column)
	number := fmt.Sprint(at.Pos.Line)
	margin := strings.Repeat(" ", len(number))
	return fmt.Sprintf("  %s | %s\n  %s | %s^", number, line, margin, before)
}

// blank leaves out what stands in quotes, and gives what the caret at a column is
// to be indented with.
func blank(line string, column int) (shown, indent string) {
	var out strings.Builder
	mark := -1 // where the column is in out
	for n := 1; line != ""; {
		size, text := 1, ""
		if line[0] == '"' {
			size = quoted(line)
			if text = `"…"`; isKey(line[size:]) || size == 2 {
				text = line[:size]
			}
		} else {
			_, size = utf8.DecodeRuneInString(line)
			text = line[:size]
		}
		n += utf8.RuneCountInString(line[:size])
		if column < n && mark < 0 {
			mark = out.Len()
		}
		out.WriteString(text)
		line = line[size:]
	}
	shown = out.String()
	if mark < 0 {
		mark = len(shown)
	}
	return shown, strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, shown[:mark])
}

// quoted is the length of the string that a line begins with, up to its end where
// the string goes on in the next line.
func quoted(line string) int {
	for i := 1; i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(line)
}

// isKey tells whether what follows a string makes it a key: of a JSON object, or of a
// block in HCL.
func isKey(rest string) bool {
	rest = strings.TrimLeft(rest, " \t")
	return strings.HasPrefix(rest, ":") || strings.HasPrefix(rest, "=") || strings.HasPrefix(rest, "{")
}
