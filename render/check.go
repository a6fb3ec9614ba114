package render

import (
	"errors"
	"text/template/parse"

	"github.com/ctmpl/ctmpl/funcs"
)

// Check reads and parses a template without executing it, and gives all that is
// wrong with it: functions that there are not, and constant arguments that can
// never be right. The errors are joined; each is an *Error.
func Check(spec Spec) error {
	text, err := spec.read()
	if err != nil {
		return unreadable(spec.Name(), err)
	}
	var errs []error
	syntax := spec.Syntax
	for {
		t, err := Parse(spec.Name(), text, syntax)
		if err == nil {
			return errors.Join(append(errs, t.checkCalls()...)...)
		}
		errs = append(errs, err)
		name, ok := missingFunction(err)
		if !ok {
			return errors.Join(errs...)
		}
		syntax.Funcs.Stubs = append(syntax.Funcs.Stubs, name) // to find what else is wrong
	}
}

// missingFunction gives the name of the function that a template wants and that
// there is not.
func missingFunction(err error) (name string, ok bool) {
	var e *Error
	if !errors.As(err, &e) || e.err == nil {
		return "", false
	}
	if m := undefined.FindStringSubmatch(e.err.Error()); m != nil {
		return m[1], true
	}
	return "", false
}

// checkCalls looks at the calls of functions whose arguments are constants.
func (t *Template) checkCalls() (errs []error) {
	for _, tmpl := range t.parsed.Templates() {
		if tmpl.Tree == nil || tmpl.Root == nil {
			continue
		}
		inspect(tmpl.Root, func(c *parse.CommandNode, first bool) {
			name, args, ok := constantCall(c)
			if !ok || !first { // others get an argument more
				return
			}
			if err := t.checkCall(name, args); err != nil {
				errs = append(errs, t.errorAt(text(tmpl.ParseName).of(c), err.Error(), err))
			}
		})
	}
	return errs
}

// checkCall tells what is wrong with a call. A variable without a default has to be set.
func (t *Template) checkCall(name string, args []string) error {
	if name == "var" && len(args) == 1 {
		if _, ok := t.vars[args[0]]; !ok {
			return funcs.NoVariable(args[0])
		}
	}
	return funcs.CheckCall(name, args)
}

// constantCall takes a call apart whose arguments are strings.
func constantCall(c *parse.CommandNode) (name string, args []string, ok bool) {
	fn, ok := c.Args[0].(*parse.IdentifierNode)
	if !ok {
		return "", nil, false
	}
	for _, arg := range c.Args[1:] {
		s, ok := arg.(*parse.StringNode)
		if !ok {
			return "", nil, false
		}
		args = append(args, s.Text)
	}
	return fn.Ident, args, true
}

// inspect calls f for all commands below a node, and tells it which are the first of
// their pipeline.
func inspect(n parse.Node, f func(c *parse.CommandNode, first bool)) {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return
		}
		for _, child := range n.Nodes {
			inspect(child, f)
		}
	case *parse.ActionNode:
		inspect(n.Pipe, f)
	case *parse.TemplateNode:
		inspect(n.Pipe, f)
	case *parse.ChainNode: // (f x).Field
		inspect(n.Node, f)
	case *parse.IfNode:
		inspectBranch(&n.BranchNode, f)
	case *parse.RangeNode:
		inspectBranch(&n.BranchNode, f)
	case *parse.WithNode:
		inspectBranch(&n.BranchNode, f)
	case *parse.PipeNode:
		if n == nil {
			return
		}
		for i, c := range n.Cmds {
			f(c, i == 0)
			for _, arg := range c.Args {
				inspect(arg, f)
			}
		}
	}
}

func inspectBranch(n *parse.BranchNode, f func(*parse.CommandNode, bool)) {
	inspect(n.Pipe, f)
	inspect(n.List, f)
	inspect(n.ElseList, f)
}
