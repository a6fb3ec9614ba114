package render

import (
	"context"
	"fmt"
	"text/template"
	"text/template/parse"
)

// maxDepth is how deep templates may be executed within templates. text/template
// itself stops at 100,000, but not one that executes others by a function, and an
// overflow of the stack ends the process. An error that has to leave many loops, one
// within the other, also takes the square of their number: a second at 2,000.
const maxDepth = 1000

// of puts empty texts into the templates of a file: at the beginning and end of
// each, and at the beginning of the body of each range. Since text/template also
// writes an empty text, the bounded writer sees whatever goes on without end go by there,
// even where nothing is printed.
func (m marks) of(parsed *template.Template) {
	done := map[*parse.Tree]bool{}
	for _, tmpl := range append(parsed.Templates(), parsed) {
		if tmpl.Tree == nil || tmpl.Root == nil || done[tmpl.Tree] {
			continue
		}
		done[tmpl.Tree] = true
		in := text(tmpl.Tree.ParseName)
		m.ranges(in, tmpl.Root)
		nodes := append([]parse.Node{m.add(in.of(tmpl.Root), 1)}, tmpl.Root.Nodes...)
		tmpl.Root.Nodes = append(nodes, m.add(in.of(tmpl.Root), -1))
	}
}

// marks are the empty texts, by where they would have their first byte.
type marks map[*byte]passage

// passage is what it means that a mark is written.
type passage struct {
	at    spot
	depth int // change of it
}

func (m marks) add(at spot, depth int) *parse.TextNode {
	backing := make([]byte, 1)
	m[&backing[0]] = passage{at: at, depth: depth}
	return &parse.TextNode{NodeType: parse.NodeText, Pos: at.offset, Text: backing[:0]}
}

// ranges marks the loops in a list.
func (m marks) ranges(in text, list *parse.ListNode) {
	if list == nil {
		return
	}
	for _, node := range list.Nodes {
		switch node := node.(type) {
		case *parse.IfNode:
			m.branches(in, &node.BranchNode)
		case *parse.WithNode:
			m.branches(in, &node.BranchNode)
		case *parse.RangeNode:
			m.branches(in, &node.BranchNode)
			node.List.Nodes = append([]parse.Node{m.add(in.of(node), 0)}, node.List.Nodes...)
		}
	}
}

func (m marks) branches(in text, node *parse.BranchNode) {
	m.ranges(in, node.List)
	m.ranges(in, node.ElseList)
}

// placedError is an error of ours that knows its place: an execution that went too
// far, or a value that is not to be printed.
type placedError struct {
	at   spot
	text string
}

func (e *placedError) Error() string { return e.text }

// bounded takes the output of a template, and ends its execution when there is too
// much, when templates are too deep within templates, or when it is to stop.
type bounded struct {
	x      *execution
	output []byte
}

// Write implements io.Writer.
func (g *bounded) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, g.x.pass(p)
	}
	if limit := g.x.t.limit; int64(len(g.output)+len(p)) > limit {
		return 0, &placedError{g.x.at, fmt.Sprintf("the output has more than %s", size(limit))}
	}
	g.output = append(g.output, p...)
	return len(p), nil
}

// pass looks at an empty text, which may be a mark.
func (x *execution) pass(p []byte) error {
	if cap(p) == 0 {
		return nil
	}
	passed, ok := x.t.marks[&p[:1][0]]
	if !ok {
		return nil
	}
	x.at = passed.at
	x.depth += passed.depth
	x.deepest = max(x.deepest, x.depth)
	if x.depth > maxDepth {
		return &placedError{x.at, fmt.Sprintf("templates are executed more than %d deep within templates: does one execute itself?", maxDepth)}
	}
	err := x.ctx.Err() // first: the time may be over at any moment
	if err != nil && context.Cause(x.ctx) == errLate {
		return &placedError{x.at, fmt.Sprintf("the template has not ended within %s: does it loop without end?", x.t.time)}
	}
	return err
}

// bears tells whether an output that was kept may be written as a whole: what ends an
// execution is not met in it.
func (x *execution) bears(o *output) bool {
	return int64(len(x.out.output)+len(o.text)) <= x.t.limit && x.depth+o.depth <= maxDepth && x.ctx.Err() == nil
}
