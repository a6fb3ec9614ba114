package nginx

import (
	"bytes"
	"cmp"
	"slices"
)

// Canonical gives a normal form of a configuration, or of a part of one, in which two
// are equal when they differ only in comments, in white space, in the order of the
// upstreams, or in that of the servers of an upstream whose method does not go by
// it. A text that nginx could not read is its own normal form.
func Canonical(conf []byte) []byte {
	c, err := parse(conf)
	if err != nil {
		return conf
	}
	w := canonizer{config: c}
	w.out.Grow(len(conf) + 16)
	w.siblings(0, len(c.nodes))
	return w.out.Bytes()
}

// canonizer writes the normal form.
type canonizer struct {
	*config
	out     bytes.Buffer
	parts   []part // those that may have to be sorted, of all blocks that are open
	sorted  []part
	scratch []byte
}

// part is a piece of what has been written.
type part struct {
	name []byte // to sort by
	span
}

// siblings writes directives of one block.
func (w *canonizer) siblings(from, to int) {
	for i := from; i < to; {
		if !w.isUpstream(i) {
			w.directive(i)
			i = w.nodes[i].end
			continue
		}
		base := len(w.parts)
		for ; i < to && w.isUpstream(i); i = w.nodes[i].end {
			w.part(i, w.raw(w.nodes[i], 1))
		}
		w.reorder(base, func(part) bool { return true })
	}
}

// part writes a directive that may have to be sorted.
func (w *canonizer) part(i int, name []byte) {
	start := w.out.Len()
	w.directive(i)
	w.parts = append(w.parts, part{name, span{start, w.out.Len()}})
}

func (w *canonizer) isUpstream(i int) bool {
	n := w.nodes[i]
	return n.block && n.args() == 2 && w.is(n, "upstream")
}

func (w *canonizer) directive(i int) {
	n := w.nodes[i]
	for j := range n.args() {
		if j > 0 {
			w.out.WriteByte(' ')
		}
		w.out.Write(w.raw(n, j))
	}
	switch {
	case n.isLua:
		w.out.WriteString(" {")
		w.out.Write(w.text[n.lua.from:n.lua.to])
		w.out.WriteString("}\n")
	case n.block:
		w.out.WriteString(" {\n")
		w.children(i)
		w.out.WriteString("}\n")
	default:
		w.out.WriteString(";\n")
	}
}

func (w *canonizer) children(i int) {
	n := w.nodes[i]
	if !w.isUpstream(i) || !w.unordered(i) {
		w.siblings(i+1, n.end)
		return
	}
	base := len(w.parts)
	for j := i + 1; j < n.end; j = w.nodes[j].end {
		w.part(j, w.raw(w.nodes[j], 0))
	}
	w.reorder(base, func(p part) bool { return string(p.name) == "server" })
}

// harmless are the directives of an upstream beside which the order of its servers
// does not matter. With hash and ip_hash it decides who gets which request; what is
// not known here may go by it, too.
var harmless = map[string]bool{
	"server": true, "zone": true, "keepalive": true, "keepalive_requests": true, "keepalive_time": true,
	"keepalive_timeout": true, "least_conn": true, "random": true, "resolver": true, "resolver_timeout": true,
}

// unordered tells whether the servers of an upstream are a set.
func (w *canonizer) unordered(i int) bool {
	for j := i + 1; j < w.nodes[i].end; j = w.nodes[j].end {
		if w.nodes[j].block || !harmless[string(w.raw(w.nodes[j], 0))] {
			return false
		}
	}
	return true
}

// reorder sorts those parts from base on that are movable; the others keep their places
// among them.
func (w *canonizer) reorder(base int, movable func(part) bool) {
	parts := w.parts[base:]
	w.parts = w.parts[:base]
	if len(parts) < 2 {
		return
	}
	text := w.out.Bytes()
	w.sorted, w.scratch = w.sorted[:0], w.scratch[:0]
	for _, p := range parts {
		if movable(p) {
			w.sorted = append(w.sorted, p)
		}
	}
	slices.SortStableFunc(w.sorted, func(a, b part) int {
		return cmp.Or(bytes.Compare(a.name, b.name), bytes.Compare(text[a.from:a.to], text[b.from:b.to]))
	})
	next := 0
	for _, p := range parts {
		if movable(p) {
			p = w.sorted[next]
			next++
		}
		w.scratch = append(w.scratch, text[p.from:p.to]...)
	}
	copy(text[parts[0].from:], w.scratch)
}
