package conf

import (
	"bytes"
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// scanner cuts a text into tokens, as HCL v1 does, and collects what is wrong.
type scanner struct {
	name string
	src  []byte
	json bool
	at   int  // the offset of what is read next
	mark mark // a place before which nothing is asked for any more
	errs []error
	more int  // errors beyond maxSyntaxErrors
	lost bool // an error has taken in the rest of the text
}

// mark is an offset with its line and column. Places are asked for in the order of
// the text, so counting goes on from the last one.
type mark struct{ offset, line, column int }

// token is a word of the language. Its kind is the character itself for brackets
// and the like.
type token struct {
	kind  rune
	pos   Pos
	start int    // its offset
	text  string // of a name, a number or a string, without its quotes
}

const (
	tokenEnd rune = -iota - 1
	tokenName
	tokenNumber
	tokenString
	tokenBad // reported already
)

// maxSyntaxErrors bounds what is said of a file that cannot be parsed: one error
// leads to others.
const maxSyntaxErrors = 3

func (s *scanner) place(offset int) Pos {
	if offset < s.mark.offset || s.mark.line == 0 {
		s.mark = mark{0, 1, 1}
	}
	part := s.src[s.mark.offset:offset]
	if n := bytes.Count(part, []byte("\n")); n > 0 {
		s.mark.line += n
		s.mark.column = 1
		part = part[bytes.LastIndexByte(part, '\n')+1:]
	}
	s.mark.column += utf8.RuneCount(part)
	s.mark.offset = offset
	return Pos{s.name, s.mark.line, s.mark.column}
}

func (s *scanner) fail(pos Pos, format string, args ...any) {
	if len(s.errs) == maxSyntaxErrors {
		s.more++
		return
	}
	s.errs = append(s.errs, pos.Errorf(format, args...))
}

func (s *scanner) failAt(offset int, format string, args ...any) {
	if len(s.errs) == maxSyntaxErrors { // counting lines for nothing could take long
		s.more++
		return
	}
	old := s.mark
	s.fail(s.place(offset), format, args...)
	s.mark = old
}

// lose skips the rest of the text.
func (s *scanner) lose() { s.at, s.lost = len(s.src), true }

// err gives all that was wrong.
func (s *scanner) err() error {
	if s.more > 0 {
		return errors.Join(append(s.errs, fmt.Errorf("%s: and %d more, which may follow from these", s.name, s.more))...)
	}
	return errors.Join(s.errs...)
}

// next reads a token.
func (s *scanner) next() token {
	for s.skip() {
	}
	t := token{kind: tokenEnd, start: s.at, pos: s.place(s.at)}
	if s.at >= len(s.src) {
		return t
	}
	c, size := utf8.DecodeRune(s.src[s.at:])
	switch {
	case c == '"':
		t.kind = tokenString
		s.quoted(&t)
	case c == '<' && !s.json:
		t.kind = tokenString
		s.heredoc(&t)
	case unicode.IsLetter(c) || c == '_':
		t.kind = tokenName
		t.text = s.run(func(c rune) bool {
			return unicode.IsLetter(c) || unicode.IsDigit(c) || c == '_' || c == '-' || c == '.'
		})
	case isDigit(c) || c == '-' || c == '.':
		t.kind = tokenNumber
		s.number(&t)
	case bytes.ContainsRune([]byte("{}[](),=:"), c):
		t.kind = c
		s.at += size
	case c == '\'':
		t.kind = tokenBad
		s.at = s.lineEnd(s.at)
		s.fail(t.pos, "want double quotes around a string")
	default:
		s.at += size
		t.kind = tokenBad
		s.fail(t.pos, "%s does not belong here", character(c))
	}
	return t
}

// character names a character so that an invisible one is seen.
func character(c rune) string {
	if unicode.IsGraphic(c) && !unicode.IsSpace(c) {
		return fmt.Sprintf("the character %c", c)
	}
	return fmt.Sprintf("the character %U", c)
}

// run reads what consists of certain characters.
func (s *scanner) run(belongs func(rune) bool) string {
	start := s.at
	for s.at < len(s.src) {
		c, size := utf8.DecodeRune(s.src[s.at:])
		if !belongs(c) {
			break
		}
		s.at += size
	}
	return string(s.src[start:s.at])
}

// skip skips white space, or a comment, and tells whether there was any.
func (s *scanner) skip() bool {
	rest := s.src[s.at:]
	switch {
	case len(rest) == 0:
		return false
	case bytes.IndexByte([]byte(" \t\r\n"), rest[0]) >= 0:
		s.at++
	case s.json && (rest[0] == '#' || bytes.HasPrefix(rest, []byte("//")) || bytes.HasPrefix(rest, []byte("/*"))):
		s.failAt(s.at, "JSON has no comments: take it out, or write the file as HCL")
		s.lose()
	case rest[0] == '#' || bytes.HasPrefix(rest, []byte("//")):
		s.at = s.lineEnd(s.at)
	case bytes.HasPrefix(rest, []byte("/*")):
		end := bytes.Index(rest[2:], []byte("*/"))
		if end < 0 {
			s.failAt(s.at, "this comment is not closed: its */ is missing")
			s.lose()
			return false
		}
		s.at += 2 + end + 2
	default:
		return false
	}
	return true
}

func (s *scanner) lineEnd(from int) int {
	if n := bytes.IndexByte(s.src[from:], '\n'); n >= 0 {
		return from + n
	}
	return len(s.src)
}

func isDigit(c rune) bool { return c >= '0' && c <= '9' }
