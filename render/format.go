package render

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
)

// FormatNginx is the format of a configuration of nginx: a value that could change
// its structure is not printed unless it comes from a function for that.
const FormatNginx = "nginx"

// checkPrinted puts a check behind each action that prints something but text of
// the template itself, as html/template does with its escapers. all are the
// functions of the template. While an answer is missing all passes: the output does
// not count then, and what is asked for further on is to be found out.
//
// Each check is a function of its own, which knows its place. A template cannot name
// one: it is parsed already.
func (t *Template) checkPrinted(parsed *template.Template, all template.FuncMap) {
	// A function that is denied stays so.
	_, join := all["join"].(func(string, []string) string)
	c := &checks{t: t, funcs: template.FuncMap{}, join: join}
	done := map[*parse.Tree]bool{}
	for _, tmpl := range append(parsed.Templates(), parsed) {
		if tmpl.Tree != nil && tmpl.Root != nil && !done[tmpl.Tree] {
			done[tmpl.Tree] = true
			c.in = text(tmpl.Tree.ParseName)
			c.node(tmpl.Root)
		}
	}
	parsed.Funcs(c.funcs)
}

// inserted is what the names of the checks add to the text of a template.
var inserted = regexp.MustCompile(`( \| print)?_checked_\d+`)

// checks are the checks of a template, by their names.
type checks struct {
	t     *Template
	funcs template.FuncMap
	join  bool // join may be called
	in    text // that is looked at
}

func (c *checks) node(n parse.Node) {
	switch n := n.(type) {
	case *parse.ListNode:
		if n != nil {
			for _, child := range n.Nodes {
				c.node(child)
			}
		}
	case *parse.ActionNode:
		if len(n.Pipe.Decl) == 0 {
			c.pipe(n.Pipe)
		}
	case *parse.IfNode:
		c.branches(&n.BranchNode)
	case *parse.RangeNode:
		c.branches(&n.BranchNode)
	case *parse.WithNode:
		c.branches(&n.BranchNode)
	}
}

func (c *checks) branches(n *parse.BranchNode) {
	c.node(n.List)
	c.node(n.ElseList)
}

// pipe checks what a pipeline prints. Of printf and join with a text of the template
// around the values it is the values that are checked.
func (c *checks) pipe(pipe *parse.PipeNode) {
	if builtHere(pipe.Cmds) {
		return
	}
	last := pipe.Cmds[len(pipe.Cmds)-1]
	at := c.in.of(pipe.Cmds[0])
	switch name := constantFirst(last); {
	case name == "printf":
		last.Args[0] = c.add("printf", at, func(format string, args ...any) (string, error) { return c.verdict(printf(at, format, args)) })
		return
	case name == "join" && c.join:
		last.Args[0] = c.add("join", at, func(sep string, list []string) (string, error) { return c.verdict(join(at, sep, list)) })
		return
	}
	check := c.add("print", at, func(v reflect.Value) (string, error) { return c.verdict(printed(at, v)) })
	pipe.Cmds = append(pipe.Cmds, &parse.CommandNode{NodeType: parse.NodeCommand, Pos: at.offset, Args: []parse.Node{check}})
}

// verdict is what a check has found, as far as it counts.
func (c *checks) verdict(s string, err error) (string, error) {
	if c.t.bound.Waiting() {
		return s, nil
	}
	return s, err
}

// add gives the name under which a template calls fn.
func (c *checks) add(stem string, at spot, fn any) parse.Node {
	name := fmt.Sprintf("%s_checked_%d", stem, len(c.funcs))
	c.funcs[name] = fn
	return parse.NewIdentifier(name).SetPos(at.offset)
}

// layout are functions that add and remove white space around what they are given.
var layout = []string{"indent", "nindent", "trimSpace"}

// builtHere tells whether a pipeline gives text of the template: a constant, or the
// output of a template of this file, where all that is printed is checked.
func builtHere(cmds []*parse.CommandNode) bool {
	last := cmds[len(cmds)-1]
	name := called(last)
	switch {
	case name == "executeTemplate":
		return true
	case slices.Contains(layout, name) && len(cmds) > 1:
		return builtHere(cmds[:len(cmds)-1])
	case slices.Contains(layout, name) || len(cmds) == 1 && len(last.Args) == 1:
		return constantNode(last.Args[len(last.Args)-1])
	}
	return false
}

func constantNode(n parse.Node) bool {
	switch n := n.(type) {
	case *parse.StringNode, *parse.NumberNode, *parse.BoolNode:
		return true
	case *parse.PipeNode:
		return builtHere(n.Cmds)
	}
	return false
}

// called gives the name of the function that a command calls.
func called(c *parse.CommandNode) string {
	if fn, ok := c.Args[0].(*parse.IdentifierNode); ok {
		return fn.Ident
	}
	return ""
}

// constantFirst gives the name of the function that a command calls with a text of
// the template as its first argument.
func constantFirst(c *parse.CommandNode) string {
	if len(c.Args) > 1 && c.Args[1].Type() == parse.NodeString {
		return called(c)
	}
	return ""
}

// harmful tells what in a text could change the structure of a configuration, ""
// for nothing. White space and line breaks end a parameter, the control characters
// beside them have no place in it, and the rest is what ngx_conf_read_token looks at.
func harmful(s string) string {
	i := strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune("\"'\\;{}$#", r) })
	if i < 0 {
		return ""
	}
	switch c := s[i]; c {
	case '\n', '\r':
		return "a line break"
	case ' ', '\t':
		return "white space"
	case '"':
		return "a double quote"
	case '\'':
		return "a single quote"
	case '\\':
		return "a backslash"
	case ';', '{', '}', '$', '#':
		return "a " + string(c)
	}
	return "a control character"
}
