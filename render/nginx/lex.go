package nginx

import (
	"bytes"
	"errors"
	"strings"
)

// span is a part of a text, from an offset up to another.
type span struct{ from, to int }

// kind is what a scanner has found.
type kind int

const (
	atEnd kind = iota
	word       // with its quotes
	semicolon
	opening
	closing
)

var (
	errUnclosed = errors.New("a quoted string does not end")
	errGlued    = errors.New("a quoted string has something right behind it")
	errLua      = errors.New("a block of Lua does not end")
	errWord     = errors.New("the last directive does not end")
)

// scanner cuts a configuration into what ngx_conf_read_token (ngx_conf_file.c) sees.
type scanner struct {
	text []byte
	pos  int
}

func (s *scanner) next() (kind, span, error) {
	s.skip()
	if s.pos == len(s.text) {
		return atEnd, span{s.pos, s.pos}, nil
	}
	at := span{s.pos, s.pos + 1}
	found := word
	switch s.text[s.pos] {
	case ';':
		found = semicolon
	case '{':
		found = opening
	case '}':
		found = closing
	case '"', '\'':
		to, err := s.quoted()
		return word, span{at.from, to}, err
	default:
		to, err := s.bare()
		return word, span{at.from, to}, err
	}
	s.pos++
	return found, at, nil
}

// skip passes over white space and comments.
func (s *scanner) skip() {
	for ; s.pos < len(s.text); s.pos++ {
		switch s.text[s.pos] {
		case ' ', '\t', '\r', '\n':
		case '#':
			end := bytes.IndexByte(s.text[s.pos:], '\n')
			if end < 0 {
				s.pos = len(s.text)
				return
			}
			s.pos += end
		default:
			return
		}
	}
}

// quoted reads a string in quotes. Only white space, ';', '{' and ')' may follow it;
// the last one begins the next word, as in if ($a = "b").
func (s *scanner) quoted() (int, error) {
	end := quotedEnd(s.text, s.pos)
	if end < 0 {
		return s.pos, errUnclosed
	}
	s.pos = end
	if end == len(s.text) {
		return end, errWord
	}
	if !strings.ContainsRune(" \t\r\n;{)", rune(s.text[end])) {
		return end, errGlued
	}
	return end, nil
}

// quotedEnd is behind the quote that ends the string which begins at from, or -1.
func quotedEnd(text []byte, from int) int {
	for i := from + 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case text[from]:
			return i + 1
		}
	}
	return -1
}

// bare reads a word without quotes. A '}' may stand in it, and a '{' right behind a '$'.
func (s *scanner) bare() (int, error) {
	for ; s.pos < len(s.text); s.pos++ {
		switch c := s.text[s.pos]; c {
		case '\\':
			s.pos++
		case '$':
			if s.pos+1 < len(s.text) && s.text[s.pos+1] == '{' {
				s.pos++
			}
		case ' ', '\t', '\r', '\n', ';', '{':
			return s.pos, nil
		}
	}
	s.pos = len(s.text)
	return s.pos, errWord
}

// lua reads the text of a block of Lua behind its '{', up to the '}' that ends it,
// which it passes over. Braces within Lua's strings and comments do not count.
func (s *scanner) lua() (span, error) {
	from, depth := s.pos, 1
	for s.pos < len(s.text) {
		switch c := s.text[s.pos]; {
		case c == '{':
			depth++
		case c == '}':
			if depth--; depth == 0 {
				s.pos++
				return span{from, s.pos - 1}, nil
			}
		case c == '"' || c == '\'':
			end := quotedEnd(s.text, s.pos)
			if end < 0 {
				return span{}, errLua
			}
			s.pos = end
			continue
		case c == '[' || c == '-':
			s.pos = luaLong(s.text, s.pos)
			continue
		}
		s.pos++
	}
	return span{}, errLua
}

// luaLong is behind the long string ([[…]], [=[…]=]) or the comment at from, or
// behind from when there is none.
func luaLong(text []byte, from int) int {
	at := from
	comment := bytes.HasPrefix(text[at:], []byte("--"))
	if comment {
		at += 2
	}
	if rest := text[at:]; len(rest) > 0 && rest[0] == '[' {
		level := 1
		for level < len(rest) && rest[level] == '=' {
			level++
		}
		if level < len(rest) && rest[level] == '[' {
			end := bytes.Index(rest, []byte("]"+strings.Repeat("=", level-1)+"]"))
			if end < 0 {
				return len(text)
			}
			return at + end + level + 1
		}
	}
	if !comment {
		return from + 1
	}
	if end := bytes.IndexByte(text[at:], '\n'); end >= 0 {
		return at + end
	}
	return len(text)
}

// unquote gives what nginx makes of a word.
func unquote(raw []byte) string {
	if len(raw) >= 2 && (raw[0] == '"' || raw[0] == '\'') {
		raw = raw[1 : len(raw)-1]
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw)
	}
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		if raw[i] == '\\' && i+1 < len(raw) {
			if c, ok := escapes[raw[i+1]]; ok {
				out = append(out, c)
				i++
				continue
			}
		}
		out = append(out, raw[i])
	}
	return string(out)
}

// escapes are what a backslash changes; before anything else it stays.
var escapes = map[byte]byte{'"': '"', '\'': '\'', '\\': '\\', 't': '\t', 'r': '\r', 'n': '\n'}
