package conf

import (
	"os"
	"slices"
)

// missing tells whether the next token cannot begin a value, nor was meant to.
func (p *parser) missing() bool {
	switch p.tok.kind {
	case '{', '[', tokenName, tokenNumber, tokenString, tokenBad:
		return false
	}
	return true
}

// nextEntry tells whether what comes in place of a value, in another line, looks like
// the entry after it.
func (p *parser) nextEntry(equal token) bool {
	return p.tok.kind == tokenName && p.tok.pos.Line > equal.pos.Line && !slices.Contains(words, p.tok.text)
}

// words are what may stand for a value without quotes.
var words = []string{"true", "false", "null", "env"}

// noValue reports a value that is missing. Where the line ends after the equals sign
// that is the place, and not what comes next.
func (p *parser) noValue(equal token) {
	t := p.tok
	if t.kind != tokenEnd && t.pos.Line > equal.pos.Line {
		p.failAt(p.lineEnd(equal.start), "invalid expression: want a value")
		return
	}
	p.want(t, "invalid expression: want a value")
}

// value reads a value. What is none is reported, and read as null.
func (p *parser) value() Value {
	t := p.tok
	v := Value{Pos: t.pos, Raw: t.text}
	switch t.kind {
	case '{':
		return p.object()
	case '[':
		return p.list()
	case tokenNumber:
		v.kind = number
	case tokenString:
		v.kind = text
	case tokenName:
		return p.word()
	default:
		p.want(t, "invalid expression: want a value")
	}
	p.advance()
	return v
}

// list reads from the opening bracket to the closing one.
func (p *parser) list() Value {
	v := Value{Pos: p.tok.pos, kind: list}
	if !p.deeper() {
		return v
	}
	p.advance()
	for comma := true; p.tok.kind != ']'; {
		if p.tok.kind == ',' { // HCL v1 takes any number of them
			comma = true
			p.advance()
			continue
		}
		if !comma || p.missing() {
			p.leaveList(v.Pos)
			break
		}
		v.List = append(v.List, p.value())
		comma = false
	}
	p.depth--
	if p.tok.kind == ']' {
		p.advance()
	}
	return v
}

// leaveList reports an error in a list and skips to its end, or to that of the block.
func (p *parser) leaveList(pos Pos) {
	if p.tok.kind == tokenEnd {
		p.unclosed(pos, "list", "]")
		return
	}
	p.want(p.tok, "invalid expression: want a value, a comma or ]")
	for depth := 0; p.tok.kind != tokenEnd; p.advance() {
		switch p.tok.kind {
		case '[', '{':
			depth++
		case ']', '}':
			if depth--; depth < 0 {
				return
			}
		}
	}
	p.lost = true
}

// word reads what begins with a letter.
func (p *parser) word() Value {
	t := p.tok
	v := Value{Pos: t.pos, Raw: t.text}
	p.advance()
	switch {
	case t.text == "true" || t.text == "false":
		v.kind = truth
	case t.text == "null":
		v.Raw = ""
	case p.tok.kind == '(' && !p.json:
		v.Raw, v.kind = p.call(t), text
	default:
		p.fail(t.pos, "this word needs quotes: want a string, a number, true, false, a list or a block")
	}
	return v
}

// call reads env("NAME"), which stands for a variable of the environment.
func (p *parser) call(function token) string {
	p.advance()
	arg := p.tok
	if arg.kind == tokenString {
		p.advance()
	}
	closes := p.tok.kind == ')'
	for p.tok.kind != ')' && p.tok.kind != '}' && p.tok.kind != tokenEnd && p.tok.pos.Line == function.pos.Line {
		p.advance()
	}
	if p.tok.kind == ')' {
		p.advance()
	}
	switch {
	case function.text != "env":
		p.fail(function.pos, "call to unknown function: there is only env(\"NAME\")")
	case arg.kind != tokenString || !closes:
		p.fail(function.pos, "want env(\"NAME\"), with one name in quotes")
	default:
		return os.Getenv(arg.text)
	}
	return ""
}
