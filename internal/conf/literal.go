package conf

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// numbers are decimal, octal with a leading zero, hexadecimal, or have a fraction
// or an exponent; JSON has no leading zeros.
var (
	numbers     = regexp.MustCompile(`^-?(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*|[0-9]*\.[0-9]*([eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)$`)
	jsonNumbers = regexp.MustCompile(`^-?(0|[1-9][0-9]*|\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?([eE][-+]?[0-9]+)?)$`)
)

// number reads a number, and all that sticks to it: 5s is one mistake, not two.
func (s *scanner) number(t *token) {
	var last rune
	t.text = s.run(func(c rune) bool {
		ok := isDigit(c) || unicode.IsLetter(c) || c == '.' || c == '_' || (c == '-' || c == '+') && (last == 0 || last == 'e' || last == 'E')
		last = c
		return ok
	})
	known := numbers
	if s.json {
		known = jsonNumbers
	}
	if _, err := strconv.ParseFloat(t.text, 64); known.MatchString(t.text) && (err == nil || strings.ContainsAny(t.text, "xX")) {
		return
	}
	t.kind = tokenBad
	switch zero := strings.HasPrefix(strings.TrimPrefix(t.text, "-"), "0"); {
	case zero && s.json:
		s.fail(t.pos, "a number of JSON does not begin with 0: write it in quotes")
	case zero && !strings.ContainsFunc(t.text, func(c rune) bool { return !isDigit(c) }):
		s.fail(t.pos, "a number that begins with 0 is octal: its digits go up to 7")
	default:
		s.fail(t.pos, `this is not a number: what has a unit needs quotes, such as "5s"`)
	}
}

// quoted reads a string in quotes. In HCL all that stands between ${ and its } is
// literal, with quotes, backslashes and line ends.
func (s *scanner) quoted(t *token) {
	var out []byte
	depth := 0 // of braces after ${
	for i := s.at + 1; i < len(s.src); {
		c := s.src[i]
		switch {
		case depth == 0 && c == '"':
			s.at = i + 1
			t.text = string(out)
			return
		case depth == 0 && c == '\n':
			s.unended(t, i)
			return
		case depth == 0 && c == '\\':
			i = s.escape(t, &out, i)
			continue
		case c == '\\' && i+1 < len(s.src): // what it escapes, a brace or a quote, does not count
			out = append(out, c)
			i++
		case !s.json && c == '{' && (depth > 0 || s.src[i-1] == '$' && i-1 > s.at):
			depth++
		case depth > 0 && c == '}':
			depth--
		}
		out = append(out, s.src[i])
		i++
	}
	if depth == 0 {
		s.unended(t, len(s.src))
		return
	}
	s.fail(t.pos, "this string is not closed: its ${ takes in all up to a }, quotes and line ends too")
	t.kind = tokenBad
	s.lose()
}

func (s *scanner) unended(t *token, end int) {
	s.fail(t.pos, "this string is not closed: its second quote is missing on this line")
	t.kind = tokenBad
	if s.at = end; s.lineEnd(t.start) < end { // with all that was in its ${
		s.lose()
	}
}

var escapes = map[byte]byte{'a': '\a', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v', '\\': '\\', '"': '"'}

// escape reads the escape at an offset, and gives the offset behind it.
func (s *scanner) escape(t *token, out *[]byte, at int) int {
	rest := s.src[at+1:]
	if len(rest) > 0 {
		plain, ok := escapes[rest[0]]
		switch {
		case ok:
			*out = append(*out, plain)
			return at + 2
		case s.json && rest[0] == '/':
			*out = append(*out, '/')
			return at + 2
		}
	}
	if n, ok := numbered(out, rest); ok {
		return at + 1 + n
	}
	s.failAt(at, `this escape is unknown: write \\ for a backslash`)
	t.kind = tokenBad
	return at + 1
}

// numbered reads what follows the backslash of an escape with the number of a byte
// (\101, \x41) or of a character (\u0041, \U00000041), and gives its length.
func numbered(out *[]byte, rest []byte) (int, bool) {
	skip, digits, base := 1, 0, 16
	switch {
	case len(rest) == 0:
		return 0, false
	case rest[0] == 'x':
		digits = 2
	case rest[0] == 'u':
		digits = 4
	case rest[0] == 'U':
		digits = 8
	default:
		skip, digits, base = 0, 3, 8
	}
	if len(rest) < skip+digits {
		return 0, false
	}
	n, err := strconv.ParseUint(string(rest[skip:skip+digits]), base, 32)
	if err != nil {
		return 0, false
	}
	if digits < 4 {
		*out = append(*out, byte(n))
		return skip + digits, n <= 0xff
	}
	if n > unicode.MaxRune {
		return 0, false
	}
	if pair, ok := surrogates(rune(n), rest[skip+digits:]); ok {
		*out = utf8.AppendRune(*out, pair)
		return skip + digits + 6, true
	}
	*out = utf8.AppendRune(*out, rune(n))
	return skip + digits, true
}

// surrogates gives the character that JSON writes as two escapes, \ud83d\ude00.
func surrogates(first rune, rest []byte) (rune, bool) {
	if !utf16.IsSurrogate(first) || len(rest) < 6 || rest[0] != '\\' || rest[1] != 'u' {
		return 0, false
	}
	second, err := strconv.ParseUint(string(rest[2:6]), 16, 32)
	if err != nil {
		return 0, false
	}
	c := utf16.DecodeRune(first, rune(second))
	return c, c != utf8.RuneError
}

// heredoc reads <<EOT up to the line with EOT. Its text is literal.
func (s *scanner) heredoc(t *token) {
	head := s.lineEnd(s.at)
	opening := string(s.src[s.at:head])
	mark, ok := strings.CutPrefix(opening, "<<")
	mark, indented := strings.CutPrefix(mark, "-")
	if notMark := func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) && c != '_' }; !ok || mark == "" || strings.ContainsFunc(mark, notMark) {
		s.fail(t.pos, "want << and a word without quotes at the end of the line, such as <<EOT")
		t.kind = tokenBad
		s.at = head
		return
	}
	for from := head + 1; from <= len(s.src); {
		end := s.lineEnd(from)
		if line := strings.TrimLeft(string(s.src[from:end]), " \t\r\v\f"); strings.TrimRight(line, "\r") == mark {
			t.text = heredocText(string(s.src[head+1:from]), string(s.src[from:end-len(line)]), indented)
			s.at = min(end+1, len(s.src))
			return
		}
		from = end + 1
	}
	s.fail(t.pos, "this text is not closed: the word after << is missing on a line of its own")
	t.kind = tokenBad
	s.lose()
}

// heredocText gives the text of a heredoc whose closing word has that indentation.
// As in v1, <<- takes the indentation off if every line has it, and off none
// otherwise; after << what stands before the closing word belongs to the text.
func heredocText(text, indent string, indented bool) string {
	if !indented {
		return text + indent
	}
	lines := strings.SplitAfter(text, "\n")
	lines = lines[:len(lines)-1]
	if slices.ContainsFunc(lines, func(l string) bool { return !strings.HasPrefix(l, indent) }) {
		return text
	}
	for i := range lines {
		lines[i] = lines[i][len(indent):]
	}
	return strings.Join(lines, "")
}
