package render

import (
	"slices"
	"strings"
	"text/template"
	"text/template/parse"

	"github.com/ctmpl/ctmpl/funcs"
)

// body is what is to be known of a part of a template before its output may be kept.
type body struct {
	inner []string // variables declared in it, the last ones last
	outer []string // variables that it uses beside those
	calls []string // templates

	unsteady bool // its output depends on more than those, or it has another effect
	heavy    bool // it has a loop, a query or a template in it
	runs     bool // it runs a plugin
}

// bodyOf looks at the body of a loop. The last variable of the loop is its dot; the
// first of two is there as any other of the variables outside.
func bodyOf(r *parse.RangeNode) *body {
	b := &body{}
	if n := len(r.Pipe.Decl); n > 0 {
		b.inner = append(b.inner, r.Pipe.Decl[n-1].Ident[0])
	}
	b.node(r.List)
	return b
}

// bodies are those of the templates of a file, by name.
type bodies map[string]*body

func bodiesOf(parsed *template.Template) bodies {
	all := bodies{}
	for _, tmpl := range parsed.Templates() {
		if tmpl.Tree != nil && tmpl.Root != nil {
			all[tmpl.Name()] = &body{inner: []string{"$"}}
			all[tmpl.Name()].node(tmpl.Root)
		}
	}
	return all
}

// steady tells whether the output of a body can be kept, with that of all templates that
// it calls.
func (all bodies) steady(b *body) bool {
	calls, seen := slices.Clone(b.calls), map[string]bool{}
	for ; !b.unsteady && len(calls) > 0; calls = calls[1:] {
		if next := all[calls[0]]; next != nil && !seen[calls[0]] {
			seen[calls[0]] = true
			b, calls = next, append(calls, next.calls...)
		}
	}
	return !b.unsteady
}

func (b *body) node(n parse.Node) {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return
		}
		defer b.leave(len(b.inner))
		for _, child := range n.Nodes {
			b.node(child)
		}
	case *parse.ActionNode:
		b.pipe(n.Pipe)
	case *parse.IfNode:
		b.branches(&n.BranchNode)
	case *parse.WithNode:
		b.branches(&n.BranchNode)
	case *parse.RangeNode:
		b.heavy = true
		b.branches(&n.BranchNode)
	case *parse.TemplateNode:
		b.pipe(n.Pipe)
		b.call(n.Name)
	}
}

// leave forgets the variables of a block.
func (b *body) leave(n int) { b.inner = b.inner[:n] }

func (b *body) branches(n *parse.BranchNode) {
	defer b.leave(len(b.inner))
	b.pipe(n.Pipe)
	b.node(n.List)
	b.node(n.ElseList)
}

func (b *body) call(template string) {
	b.heavy = true
	b.calls = append(b.calls, template)
}

func (b *body) pipe(p *parse.PipeNode) {
	if p == nil {
		return
	}
	for _, cmd := range p.Cmds {
		b.command(cmd)
	}
	for _, v := range p.Decl {
		name := v.Ident[0]
		switch {
		case !p.IsAssign:
			b.inner = append(b.inner, name)
		case !slices.Contains(b.inner, name):
			b.unsteady = true
		}
	}
}

func (b *body) command(c *parse.CommandNode) {
	args := c.Args
	if called(c) == "executeTemplate" && constantFirst(c) != "" {
		b.call(args[1].(*parse.StringNode).Text)
		args = args[2:]
	}
	for _, arg := range args {
		b.value(arg)
	}
}

func (b *body) value(n parse.Node) {
	switch n := n.(type) {
	case *parse.IdentifierNode:
		b.function(n.Ident)
	case *parse.VariableNode:
		if name := n.Ident[0]; !slices.Contains(b.inner, name) && !slices.Contains(b.outer, name) {
			b.outer = append(b.outer, name)
		}
	case *parse.ChainNode:
		b.value(n.Node)
	case *parse.PipeNode:
		b.pipe(n)
	}
}

func (b *body) function(name string) {
	b.heavy = b.heavy || funcs.Asks(name)
	b.runs = b.runs || name == "plugin"
	ours := strings.Contains(name, "_checked_") // see format.go
	b.unsteady = b.unsteady || !ours && !funcs.Pure(name)
}
