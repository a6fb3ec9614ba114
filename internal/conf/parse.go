package conf

import (
	"bytes"
	"slices"
	"unicode"
	"unicode/utf8"
)

// maxDepth bounds how deeply objects and lists are nested: reading them takes stack.
const maxDepth = 200

// Parse reads the text of a file. It is JSON when it begins with a brace, else
// HCL; its name does not matter, as it does not to consul-template.
func Parse(name string, src []byte) (Value, error) {
	src = bytes.TrimPrefix(src, []byte("\ufeff")) // some editors of Windows put it there
	src = bytes.ReplaceAll(src, []byte("\r\n"), []byte("\n"))
	p := &parser{scanner: scanner{name: name, src: src}}
	p.json = bytes.HasPrefix(bytes.TrimLeftFunc(src, unicode.IsSpace), []byte("{"))
	if !p.legible() {
		return Value{}, p.err()
	}
	p.advance()
	v := p.file()
	return v, p.err()
}

// parser turns tokens into values.
type parser struct {
	scanner
	tok   token // the next one
	depth int
}

func (p *parser) advance() { p.tok = p.next() }

// stop ends reading: what follows would only be wrong because of an error that was
// reported.
func (p *parser) stop() {
	p.lose()
	p.tok = token{kind: tokenEnd, start: p.at, pos: p.tok.pos}
}

// legible reports what is no text.
func (p *parser) legible() bool {
	if i := bytes.IndexByte(p.src, 0); i >= 0 {
		p.failAt(i, "there is a zero byte: this is not a text file in UTF-8")
		return false
	}
	for i := 0; i < len(p.src); {
		c, size := utf8.DecodeRune(p.src[i:])
		if c == utf8.RuneError && size == 1 {
			p.failAt(i, "this is not UTF-8: save the file in that encoding")
			return false
		}
		i += size
	}
	return true
}

func (p *parser) file() Value {
	v := Value{Pos: Pos{p.name, 1, 1}, kind: object}
	if p.json {
		v = p.value()
		if p.tok.kind != tokenEnd && len(p.errs) == 0 {
			p.fail(p.tok.pos, "the file goes on after the brace that closes its object")
		}
		return v
	}
	for p.tok.kind != tokenEnd {
		if p.tok.kind == '}' {
			p.fail(p.tok.pos, "this } closes nothing")
			p.advance()
			continue
		}
		p.entry(&v)
	}
	return v
}

// deeper tells whether one more object or list may be opened. When it may, the
// caller takes it off depth again.
func (p *parser) deeper() bool {
	if p.depth >= maxDepth {
		p.fail(p.tok.pos, "blocks and lists are nested more than %d deep", maxDepth)
		p.stop()
		return false
	}
	p.depth++
	return true
}

// object reads from the opening brace to the closing one.
func (p *parser) object() Value {
	v := Value{Pos: p.tok.pos, kind: object}
	if !p.deeper() {
		return v
	}
	p.advance()
	for p.tok.kind != '}' {
		if p.tok.kind == tokenEnd {
			p.unclosed(v.Pos, p.block(), "}")
			break
		}
		p.entry(&v)
	}
	p.depth--
	if p.tok.kind == '}' {
		p.advance()
	}
	return v
}

// unclosed reports a missing bracket, once for all that are open.
func (p *parser) unclosed(pos Pos, what, bracket string) {
	if !p.lost {
		p.fail(pos, "this %s is not closed: its %s is missing", what, bracket)
	}
	p.stop()
}

// entry reads one entry of an object, and the comma after it. After an error it goes
// on in the next line.
func (p *parser) entry(v *Value) {
	line, ok := p.tok.pos.Line, p.member(v)
	if !ok {
		p.resume(line)
		return
	}
	switch {
	case p.tok.kind == ',':
		p.advance()
	case p.json && p.tok.kind != '}' && p.tok.kind != tokenEnd:
		p.fail(p.tok.pos, "want a comma or } after an entry of an object")
		p.resume(p.tok.pos.Line)
	}
}

func (p *parser) block() string {
	if p.json {
		return "object"
	}
	return "block"
}

// resume skips to the next line, or to the end of the block.
func (p *parser) resume(line int) {
	for depth := 0; p.tok.kind != tokenEnd; p.advance() {
		switch p.tok.kind {
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 && p.depth > 0 && p.tok.kind == '}' {
				return
			}
			depth = max(depth-1, 0)
		default:
			if depth == 0 && p.tok.pos.Line > line {
				return
			}
		}
	}
	p.lost = true // brackets may be missing just because they were skipped
}

// member reads name = value, name { … } or name "label" { … }, and in JSON "name": value.
func (p *parser) member(v *Value) bool {
	m := Member{Name: p.tok.text, Pos: p.tok.pos}
	if !p.key() {
		return false
	}
	labels := p.labels()
	switch {
	case p.tok.kind == '{' && !p.json:
		p.depth += len(labels)
		m.Value = label(m.Name, labels, p.object())
		p.depth -= len(labels)
	case p.tok.kind == p.assign() && len(labels) == 0:
		equal := p.tok
		p.advance()
		if p.missing() || p.nextEntry(equal) {
			p.noValue(equal)
			return false
		}
		m.Value = p.value()
	default:
		p.want(p.tok, "after a name want "+p.separators())
		return false
	}
	v.Object = append(v.Object, m)
	return true
}

// key reads the name of an entry.
func (p *parser) key() bool {
	ok := p.tok.kind == tokenString || p.tok.kind == tokenName && !p.json
	switch {
	case ok:
		p.advance()
	case p.json && p.tok.kind == tokenName:
		p.fail(p.tok.pos, "want a name in quotes: the file begins with {, so it is JSON")
	default:
		p.want(p.tok, "want a name")
	}
	return ok
}

// labels reads what stands between the name of a block and its brace.
func (p *parser) labels() (labels []token) {
	for !p.json && (p.tok.kind == tokenName || p.tok.kind == tokenString) {
		labels = append(labels, p.tok)
		p.advance()
	}
	return labels
}

// label gives the value of a block with labels: an object that holds the block under
// its label, as HCL v1 has it, and JSON writes it.
func label(name string, labels []token, block Value) Value {
	for i, t := range slices.Backward(labels) {
		of := name
		if i > 0 {
			of = labels[i-1].text
		}
		block = Value{Pos: t.pos, kind: object, labelOf: of, Object: []Member{{Name: t.text, Pos: t.pos, Value: block}}}
	}
	return block
}

func (p *parser) assign() rune {
	if p.json {
		return ':'
	}
	return '='
}

func (p *parser) separators() string {
	if p.json {
		return "a colon and a value"
	}
	return "= and a value, or { and a block"
}

// want reports a token that does not fit, unless it was reported as a bad one.
func (p *parser) want(t token, what string) {
	switch t.kind {
	case tokenBad:
	case tokenEnd:
		if !p.lost {
			p.fail(t.pos, "%s, but the file ends here", what)
		}
		p.stop()
	default:
		p.fail(t.pos, "%s", what)
	}
}
