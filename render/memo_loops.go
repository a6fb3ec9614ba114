package render

import (
	"fmt"
	"slices"
	"text/template"
	"text/template/parse"
)

// newMemo makes a memo for a template, before its loops are marked; nil where there is
// nothing to keep. What runs a plugin is not repeated, so nothing is kept of it.
func newMemo(parsed *template.Template) *memo {
	w := weaver{bodies: bodiesOf(parsed), memo: &memo{}, funcs: template.FuncMap{}}
	for _, b := range w.bodies {
		if b.runs {
			return nil
		}
	}
	twin, err := parsed.Clone()
	if err != nil {
		return nil
	}
	for _, tmpl := range twin.Templates() {
		if tmpl.Tree != nil && tmpl.Root != nil {
			tmpl.Tree = tmpl.Tree.Copy() // a clone has the very same
			w.list(tmpl.Root)
		}
	}
	if len(w.memo.loops) == 0 {
		return nil
	}
	w.memo.parsed = twin.Funcs(w.funcs)
	return w.memo
}

// weaver puts the functions of a memo into the loops of a template.
type weaver struct {
	bodies bodies
	memo   *memo
	funcs  template.FuncMap
}

func (w weaver) list(list *parse.ListNode) {
	if list == nil {
		return
	}
	for _, node := range list.Nodes {
		switch node := node.(type) {
		case *parse.IfNode:
			w.branches(&node.BranchNode)
		case *parse.WithNode:
			w.branches(&node.BranchNode)
		case *parse.RangeNode:
			w.loop(node)
			w.branches(&node.BranchNode)
		}
	}
}

func (w weaver) branches(node *parse.BranchNode) {
	w.list(node.List)
	w.list(node.ElseList)
}

// loop puts a function behind the pipeline of a loop, which gets the variables that the
// body uses.
func (w weaver) loop(r *parse.RangeNode) {
	b := bodyOf(r)
	if r.Pipe.IsAssign || !w.bodies.steady(b) {
		return
	}
	l := &loop{memo: w.memo, pairs: len(r.Pipe.Decl) == 2, heavy: b.heavy, kept: map[scopeKey]*scope{}}
	if l.pairs {
		index := r.Pipe.Decl[0].Ident[0]
		l.index = slices.Contains(b.outer, index)
		b.outer = slices.DeleteFunc(b.outer, func(name string) bool { return name == index })
	}
	if len(b.outer) > mostOuter {
		return
	}
	name := fmt.Sprintf("_loop_%d", len(w.memo.loops))
	w.memo.loops = append(w.memo.loops, l)
	w.funcs[name] = l.enter
	r.Pipe.Cmds = append(r.Pipe.Cmds, command(r.Pos, name, b.outer...))
	w.otherwise(r)
}

// otherwise keeps the else branch of a loop from being executed after a list whose
// elements have all been passed over.
func (w weaver) otherwise(r *parse.RangeNode) {
	if r.ElseList == nil {
		return
	}
	const empty = "_loop_empty"
	w.funcs[empty] = func() bool { return !w.memo.entered }
	cond := &parse.PipeNode{NodeType: parse.NodePipe, Pos: r.Pos, Cmds: []*parse.CommandNode{command(r.Pos, empty)}}
	r.ElseList = &parse.ListNode{NodeType: parse.NodeList, Pos: r.ElseList.Pos, Nodes: []parse.Node{
		&parse.IfNode{BranchNode: parse.BranchNode{NodeType: parse.NodeIf, Pos: r.Pos, Pipe: cond, List: r.ElseList}},
	}}
}

// command calls a function with variables.
func command(at parse.Pos, name string, variables ...string) *parse.CommandNode {
	args := []parse.Node{parse.NewIdentifier(name).SetPos(at)}
	for _, v := range variables {
		args = append(args, &parse.VariableNode{NodeType: parse.NodeVariable, Pos: at, Ident: []string{v}})
	}
	return &parse.CommandNode{NodeType: parse.NodeCommand, Pos: at, Args: args}
}
