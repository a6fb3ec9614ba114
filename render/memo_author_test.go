package render

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// kind is what a value of a random template is.
type kind string

// The kinds of values, and what can be printed of them.
var printable = map[kind][]string{
	"text":     {""},
	"summary":  {".Name", `.Tags | join "+"`, ".Tags | len"},
	"instance": {".Name", ".Address", ".Port", ".ID", `.Tags | join "+"`, ".ServiceMeta.zone", "nginxWeight"},
	"pair":     {".Key", ".Value", ".Path"},
	"any":      {""},
}

// variable is a variable of a random template.
type variable struct {
	name string
	kind kind
}

// author writes random templates.
type author struct {
	*rand.Rand
	strings.Builder
	vars  []variable
	defs  int // templates that there are
	loops int // within which it writes
	dir   string
}

// file writes a template file.
func (a *author) file() string {
	const templates = 3
	for n := range templates {
		a.defs = n // each calls those before it
		dot := one(a.Rand, "text", "summary", "instance", "nil")
		fmt.Fprintf(a, `{{ define "%s%d" }}`, dot, n)
		a.vars = []variable{{"$", kind(dot)}}
		a.block(kind(dot), 2)
		a.WriteString("{{ end }}")
	}
	a.WriteString(`{{ define "rec" }}{{ if . }}<{{ range split "" . }}{{ . | toLower }}{{ end }}{{ template "rec" (slice . 1) }}>{{ end }}{{ end }}`)
	a.defs = templates
	a.vars = []variable{{"$", "nil"}}
	for range 3 {
		a.block("nil", 3)
	}
	return a.String()
}

func one[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// block writes some statements, and forgets the variables that they declare.
func (a *author) block(dot kind, depth int) {
	vars := len(a.vars)
	defer func() { a.vars = a.vars[:vars] }()
	for range 1 + a.IntN(3) {
		a.statement(dot, depth)
	}
}

func (a *author) statement(dot kind, depth int) {
	switch n := a.IntN(24); {
	case n < 3 || depth == 0:
		a.print(dot)
	case n < 12:
		a.loop(dot, depth)
	case n < 14:
		fmt.Fprintf(a, "{{ if %s }}", a.condition(dot))
		a.block(dot, depth-1)
		a.otherwise(dot, depth)
	case n < 16:
		list, of := a.list(dot)
		fmt.Fprintf(a, "{{ with %s }}{{ . | len }}{{ range . }}", list)
		a.body(of, depth-1)
		a.WriteString("{{ end }}")
		a.otherwise(dot, depth)
	case n < 18:
		name := fmt.Sprintf("$v%d", len(a.vars))
		fmt.Fprintf(a, "{{ %s := %s }}", name, a.scalar(dot))
		a.vars = append(a.vars, variable{name, "text"})
	case n < 19:
		a.assign(dot)
	case n < 22:
		a.call(dot)
	case n < 23 && a.loops > 0:
		fmt.Fprintf(a, "{{ if %s }}{{ %s }}{{ end }}", a.condition(dot), one(a.Rand, "break", "continue"))
	default:
		a.odd(dot)
	}
}

func (a *author) print(dot kind) {
	fmt.Fprintf(a, "t{{ %s | toLower }}\n", a.scalar(dot))
}

// scalar gives an expression for a text.
func (a *author) scalar(dot kind) string {
	if a.IntN(4) == 0 {
		if v := one(a.Rand, a.vars...); printable[v.kind] != nil {
			return a.of(v.name, v.kind)
		}
	}
	switch n := a.IntN(8); {
	case n < 4 && printable[dot] != nil:
		return a.of(".", dot)
	case n < 6:
		return fmt.Sprintf("key %s | print", a.key())
	case n < 7 && dot == "text":
		return `keyOrDefault (print "k/" .) "none" | print`
	case n < 7:
		return fmt.Sprintf("keyOrDefault %s %q | print", a.key(), "none")
	}
	return fmt.Sprintf("%q", one(a.Rand, "a", "b", "web"))
}

// of gives an expression for something in a value.
func (a *author) of(value string, k kind) string {
	what := one(a.Rand, printable[k]...)
	switch {
	case what == "nginxWeight":
		return fmt.Sprintf("nginxWeight %s | print", value)
	case value == "." && what != "":
		value = ""
	}
	return value + what + " | print"
}

func (a *author) key() string { return fmt.Sprintf("%q", one(a.Rand, "k/a", "k/b", "k/web", "list")) }

func (a *author) condition(dot kind) string {
	if a.IntN(3) == 0 {
		list, _ := a.list(dot)
		return list
	}
	return fmt.Sprintf("eq (%s) %q", a.scalar(dot), one(a.Rand, "a", "b", "web", "1"))
}

// list gives an expression for a list, and the kind of its elements.
func (a *author) list(dot kind) (expression string, of kind) {
	switch n := a.IntN(16); {
	case n < 4 && (dot == "summary" || dot == "instance"):
		return "service .Name", "instance"
	case n < 5 && (dot == "summary" || dot == "instance"):
		return ".Tags", "text"
	case n < 7:
		return "services", "summary"
	case n < 9:
		return fmt.Sprintf("service %q", one(a.Rand, "a", "b", "web", "web|any")), "instance"
	case n < 11:
		return fmt.Sprintf("%s %q", one(a.Rand, "ls", "tree", "tree", "safeTree"), one(a.Rand, "small", "small", "small", "big")), "pair"
	case n < 12:
		return `split "," (key "list")`, "text"
	case n < 13:
		return "loop 3", "any"
	case n < 14:
		return one(a.Rand, "sortAlpha (list 3 1 2)", `list 1 "a" nil true`, "until 3", "list 1.5 (dict)"), "any"
	}
	if lists := slices.DeleteFunc(slices.Clone(a.vars), func(v variable) bool { return !strings.HasPrefix(string(v.kind), "list of ") }); len(lists) > 0 {
		v := one(a.Rand, lists...)
		return v.name, kind(strings.TrimPrefix(string(v.kind), "list of "))
	}
	return "services", "summary"
}

// loop writes a loop with up to two variables, perhaps over groups.
func (a *author) loop(dot kind, depth int) {
	vars := len(a.vars)
	defer func() { a.vars = a.vars[:vars] }()
	list, of := a.list(dot)
	elem, index := variable{fmt.Sprintf("$e%d", vars), of}, variable{fmt.Sprintf("$i%d", vars), "any"}
	switch a.IntN(6) {
	case 0:
		fmt.Fprintf(a, "{{ range %s }}", list)
	case 1, 2:
		fmt.Fprintf(a, "{{ range %s := %s }}", elem.name, list)
		a.vars = append(a.vars, elem)
	case 3, 4:
		fmt.Fprintf(a, "{{ range %s, %s := %s }}", index.name, elem.name, list)
		a.vars = append(a.vars, elem, index)
	case 5:
		name := fmt.Sprintf("$l%d", vars)
		if of == "summary" && a.IntN(2) == 0 {
			fmt.Fprintf(a, "{{ range %s, %s := services | byTag }}", index.name, name)
			a.vars = append(a.vars, index, variable{name, "list of summary"})
			list, of = ".", "summary"
		} else {
			fmt.Fprintf(a, "{{ %s := %s }}{{ range %s }}", name, list, name)
			a.vars = append(a.vars, variable{name, "list of " + of})
			list = name
		}
		if list == "." {
			of = "nil"
		}
	}
	a.body(of, depth-1)
	a.otherwise(dot, depth)
}

func (a *author) body(dot kind, depth int) {
	a.loops++
	a.block(dot, depth)
	a.loops--
}

// otherwise ends a statement, perhaps with an else branch.
func (a *author) otherwise(dot kind, depth int) {
	if a.IntN(3) == 0 {
		a.WriteString("{{ else }}")
		a.block(dot, depth-1)
	}
	a.WriteString("{{ end }}")
}

func (a *author) assign(dot kind) {
	if v := one(a.Rand, a.vars...); v.name[1:] != "" && v.kind == "text" {
		fmt.Fprintf(a, "{{ %s = %s }}", v.name, a.scalar(dot))
	}
}
