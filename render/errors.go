package render

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ctmpl/ctmpl/funcs"
	"github.com/ctmpl/ctmpl/internal/conf"
)

// Error is what is wrong with a template, and where.
type Error struct {
	File         string
	Line, Column int // from 1; 0 when unknown
	Message      string
	Source       string // the offending line
	err          error
}

// Error gives one line: file:line:column: message: the offending line.
func (e *Error) Error() string {
	switch {
	case e.Line == 0:
		return fmt.Sprintf("%s: %s", e.File, e.Message)
	case strings.TrimSpace(e.Source) == "":
		return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Message)
	}
	return fmt.Sprintf("%s:%d:%d: %s: in the line: %s", e.File, e.Line, e.Column, e.Message, strings.TrimSpace(e.Source))
}

// Unwrap gives the error as text/template has it.
func (e *Error) Unwrap() error { return e.err }

var undefined = regexp.MustCompile(`function "([^"]+)" not defined`)

// explain finds place and line of an error of text/template, whose errors begin
// with "template: name:line:" or "template: name:line:column:".
func (t *Template) explain(err error, syntax Syntax) *Error {
	if inner := (*nested)(nil); errors.As(err, &inner) {
		err = inner.error // where it happened, not where that was executed
	}
	if placed := (*placedError)(nil); errors.As(err, &placed) {
		return t.errorAt(placed.at, placed.text, err)
	}
	message := strings.Join(strings.Fields(err.Error()), " ")
	if t.format != "" {
		message = inserted.ReplaceAllString(message, "")
	}
	out := &Error{File: t.name, Message: message, err: err}
	in, rest, ok := t.cutName(message)
	if !ok {
		return out
	}
	out.File = t.fileOf(in)
	line, rest, _ := strings.Cut(rest, ":")
	out.Line, _ = strconv.Atoi(line)
	out.Source = lineOf(t.textOf(in), out.Line)
	if column, message, ok := strings.Cut(rest, ":"); ok {
		if n, err := strconv.Atoi(column); err == nil {
			out.Column, rest = t.column(out, n), message
		}
	}
	out.Message = strings.TrimSpace(rest)
	// The name of the template is in the place already.
	out.Message = strings.TrimPrefix(out.Message, fmt.Sprintf("executing %q at ", string(in)))
	if m := undefined.FindStringSubmatch(out.Message); m != nil {
		out.Message = undefinedMessage(m[0], m[1])
	}
	if out.Column == 0 {
		out.Column = guessColumn(out.Source, out.Message, syntax.Left)
	}
	return out
}

// cutName takes the name of the text off an error of text/template: that of the
// template, or of a shipped one that it calls.
func (t *Template) cutName(message string) (in text, rest string, ok bool) {
	for _, in := range append([]text{text(t.name)}, t.shipped...) {
		if rest, ok := strings.CutPrefix(message, "template: "+strings.Join(strings.Fields(string(in)), " ")+":"); ok {
			return in, rest, true
		}
	}
	return "", "", false
}

// errorAt is an error at a place that is known.
func (t *Template) errorAt(at spot, message string, err error) *Error {
	p := t.placeOf(at)
	return &Error{File: p.File, Line: p.Line, Column: p.Column, Message: message, Source: lineOf(t.textOf(at.in), p.Line), err: err}
}

// undefinedMessage is what to say of a function that there is not.
func undefinedMessage(message, name string) string {
	if funcs.Later(name) {
		return fmt.Sprintf("function %q of consul-template is not supported yet", name)
	}
	return message + conf.DidYouMean(name, funcs.Names())
}

func lineOf(text string, n int) string {
	lines := strings.Split(text, "\n")
	if n < 1 || n > len(lines) {
		return ""
	}
	return lines[n-1]
}

// column turns the byte offset in a line, as text/template counts, into a column.
func (t *Template) column(e *Error, offset int) int {
	return utf8.RuneCountInString(e.Source[:min(offset, len(e.Source))]) + 1
}

var quoted = regexp.MustCompile(`"((?:[^"\\]|\\.)+)"|<([^>]+)>`)

// guessColumn finds what a message of the parser quotes, which names no column, in
// the line; without it, the place where the first action begins.
func guessColumn(line, message, left string) int {
	for _, m := range quoted.FindAllStringSubmatch(message, -1) {
		token := m[1] + m[2]
		if s, err := strconv.Unquote(`"` + token + `"`); err == nil {
			token = s
		}
		if i := wordIndex(line, token); i >= 0 {
			return utf8.RuneCountInString(line[:i]) + 1
		}
	}
	if left == "" {
		left = "{{"
	}
	return utf8.RuneCountInString(line[:max(0, strings.Index(line, left))]) + 1
}

// wordIndex is the offset of token in line where it stands as a word of its own,
// -1 where it does not.
func wordIndex(line, token string) int {
	for from := 0; from < len(line); {
		i := strings.Index(line[from:], token)
		if i < 0 {
			return -1
		}
		i += from
		end := i + len(token)
		if (i == 0 || !isWord(line[i-1]) || !isWord(token[0])) && (end == len(line) || !isWord(line[end]) || !isWord(token[len(token)-1])) {
			return i
		}
		from = end
	}
	return -1
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
