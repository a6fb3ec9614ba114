package nginx

import (
	"bytes"
	"errors"
	"fmt"
)

// maxDepth is how deep blocks may be nested, far beyond what nginx has a use for.
const maxDepth = 1000

// config is a configuration as a tree of directives. The tree is flat: the
// directives of a block follow the one that opens it.
type config struct {
	text  []byte
	words []span
	nodes []node
}

// node is a directive.
type node struct {
	words span // of config.words
	end   int  // the node behind it and its block
	block bool
	lua   span // the text of a block of Lua
	isLua bool
}

// parse reads a configuration, or a part of one that is to be included. It knows
// the grammar alone, and no directive but those of Lua, whose blocks hold text.
func parse(text []byte) (*config, error) {
	p := parser{config: config{text: text, words: make([]span, 0, len(text)/12)}, scanner: scanner{text: text}}
	for {
		more, err := p.step()
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", 1+bytes.Count(text[:min(p.pos, len(text))], []byte("\n")), err)
		}
		if !more {
			return &p.config, nil
		}
	}
}

// parser is a parse under way.
type parser struct {
	config
	scanner
	open []int // nodes whose blocks are open
	from int   // the first word of the directive that is being read
}

var (
	errDirective = errors.New("a directive has no name")
	errClosing   = errors.New(`unexpected "}"`)
	errOpen      = errors.New(`a "}" is missing at the end`)
	errDeep      = errors.New("the blocks are nested too deep")
)

func (p *parser) step() (more bool, err error) {
	kind, at, err := p.next()
	if err != nil {
		return false, err
	}
	pending := len(p.words) > p.from
	switch {
	case kind == word:
		p.words = append(p.words, at)
	case kind == closing && !pending && len(p.open) > 0:
		p.nodes[p.open[len(p.open)-1]].end = len(p.nodes)
		p.open = p.open[:len(p.open)-1]
	case kind == closing:
		return false, errClosing
	case kind == atEnd && pending:
		return false, errWord
	case kind == atEnd && len(p.open) > 0:
		return false, errOpen
	case kind == atEnd:
		return false, nil
	case !pending:
		return false, errDirective
	default:
		return true, p.directive(kind == opening)
	}
	return true, nil
}

// directive takes the words that have been read for a directive.
func (p *parser) directive(block bool) error {
	n := node{words: span{p.from, len(p.words)}, block: block, end: len(p.nodes) + 1}
	p.from = len(p.words)
	if block {
		if n.isLua = bytes.HasSuffix(p.raw(n, 0), []byte("_by_lua_block")); n.isLua {
			var err error
			if n.lua, err = p.lua(); err != nil {
				return err
			}
		} else {
			p.open = append(p.open, len(p.nodes))
		}
	}
	if len(p.open) > maxDepth {
		return errDeep
	}
	p.nodes = append(p.nodes, n)
	return nil
}

// args is the number of a directive's words, with its name.
func (n node) args() int { return n.words.to - n.words.from }

// raw is the nth word of a directive as it is spelled.
func (c *config) raw(n node, i int) []byte {
	at := c.words[n.words.from+i]
	return c.text[at.from:at.to]
}

// value is the nth word of a directive as nginx understands it.
func (c *config) value(n node, i int) string { return unquote(c.raw(n, i)) }

// is tells whether a directive has a name.
func (c *config) is(n node, name string) bool { return string(c.raw(n, 0)) == name }
