package render

import (
	"bytes"
	"maps"
	"reflect"
	"slices"
	"text/template"
)

// memo keeps what the bodies of a template's loops have given, so that an execution
// costs what has changed. It has the template a second time, with a function behind the
// pipeline of each loop that may be treated so:
//
//	{{ range services }}BODY{{ end }} as {{ range services | _loop_0 }}BODY{{ end }}
//
// That function gives, in place of a list, an iterator over the elements of which the body
// has to be executed. The output for the others is written by the iterator, in its turn.
//
// The output of a body is good for as long as the answers are current that it has read,
// for the same element and the same variables outside. What an execution has not used is
// forgotten at its end. One that fails is repeated plainly, so an error is always that of
// the template as it was written.
type memo struct {
	parsed  *template.Template
	loops   []*loop
	x       *execution // under way
	open    int        // bodies under way whose output is to be kept
	entered bool       // the loop that was entered last goes through its list by itself
}

// loop is a loop in a template.
type loop struct {
	*memo
	index bool // its body uses the index
	pairs bool // it has two variables
	heavy bool // see body
	kept  map[scopeKey]*scope
}

// mostOuter is how many variables from outside a body may use.
const mostOuter = 6

// scopeKey is what the outputs of a body depend on beside its elements.
type scopeKey struct {
	outer [mostOuter]any
	elem  reflect.Type
}

// scope are the outputs of a body by its elements.
type scope struct {
	outputs map[elementKey]*output
	places  []*output // in which they stood in a list, as most stand there again
	run     uint64    // in which it was used last
	used    int       // outputs that were used in that
}

type elementKey struct {
	index int // 0 where it makes no difference
	elem  any
}

// output is what a body has given.
type output struct {
	key   elementKey
	text  []byte
	reads []note
	depth int // of templates within templates that it takes
	run   uint64
}

// sharedFrom is the length from which on the outputs of a loop are kept that is within
// another one whose are. Those of short ones are executed as fast as they are found, and
// would be many.
const sharedFrom = 64

// enter gives an iterator for a list, or the list itself where nothing is to be kept. The
// arguments are the variables from outside that the body uses, and the list.
func (l *loop) enter(args ...reflect.Value) reflect.Value {
	l.entered = false
	list := args[len(args)-1]
	if list.Kind() != reflect.Slice || list.Len() == 0 || l.open > 0 && (list.Len() < sharedFrom || !l.heavy) {
		return list
	}
	s, ok := l.scope(list.Type().Elem(), args[:len(args)-1])
	if !ok {
		return list
	}
	l.entered = true
	p := &pass{loop: l, scope: s, list: list, lasting: lasting[list.Type().Elem()]}
	return reflect.MakeFunc(iterator(list.Type().Elem(), l.pairs), func(args []reflect.Value) []reflect.Value {
		p.each(args[0])
		return nil
	})
}

// scope finds the outputs for some values of the variables outside.
func (l *loop) scope(elem reflect.Type, outer []reflect.Value) (s *scope, ok bool) {
	key := scopeKey{elem: elem}
	ok = identified(elem)
	for i := 0; ok && i < len(outer); i++ {
		key.outer[i], ok = identity(outer[i])
	}
	if !ok {
		return nil, false
	}
	if s = l.kept[key]; s == nil {
		s = &scope{outputs: map[elementKey]*output{}}
		l.kept[key] = s
	}
	if run := l.x.reads.run; s.run != run {
		s.run, s.used = run, 0
	}
	return s, true
}

// iterator gives the type of iterators for a type of element: with the index, too, where
// a loop has two variables.
func iterator(elem reflect.Type, pairs bool) reflect.Type {
	in := []reflect.Type{elem}
	if pairs {
		in = []reflect.Type{reflect.TypeFor[int](), elem}
	}
	yield := reflect.FuncOf(in, []reflect.Type{reflect.TypeFor[bool]()}, false)
	return reflect.FuncOf([]reflect.Type{yield}, nil, false)
}

// pass is one pass through a list.
type pass struct {
	*loop
	scope   *scope
	list    reflect.Value
	lasting bool // its elements are
}

// each writes what is kept, and has yield execute the body for the other elements. A
// break and an error in it are panics.
func (p *pass) each(yield reflect.Value) {
	defer p.leave(p.open, p.x.deepest)
	for i := range p.list.Len() {
		elem := p.list.Index(i)
		key, ok := p.key(i, elem)
		if ok && p.repeat(p.scope.find(key, i)) {
			continue
		}
		args := []reflect.Value{elem}
		if p.pairs {
			args = []reflect.Value{reflect.ValueOf(i), elem}
		}
		if !ok || p.x.reads.waiting() {
			yield.Call(args)
			continue
		}
		p.keep(key, i, func() { yield.Call(args) })
	}
}

func (p *pass) key(i int, elem reflect.Value) (key elementKey, ok bool) {
	if p.index {
		key.index = i
	}
	if p.lasting { // as identity would find out
		key.elem = elem.Interface()
		return key, true
	}
	key.elem, ok = identity(elem)
	return key, ok
}

// find gives the output for the element in a place of a list, nil when there is none.
func (s *scope) find(key elementKey, place int) *output {
	if place < len(s.places) && s.places[place] != nil && s.places[place].key == key {
		return s.places[place]
	}
	o := s.outputs[key]
	if o != nil {
		s.put(o, place)
	}
	return o
}

func (s *scope) put(o *output, place int) {
	if place >= len(s.places) {
		s.places = append(s.places, make([]*output, place+1-len(s.places))...)
	}
	s.places[place] = o
}

// repeat writes an output again if it is good still, and within all bounds: what is
// beyond one is for the template to meet.
func (p *pass) repeat(o *output) bool {
	if o == nil || !o.current() || !p.x.bears(o) {
		return false
	}
	if run := p.x.reads.run; o.run != run {
		o.run = run
		p.scope.used++
	}
	for _, n := range o.reads {
		p.x.reads.take(n)
	}
	p.x.out.output = append(p.x.out.output, o.text...)
	p.x.deepest = max(p.x.deepest, p.x.depth+o.depth)
	return true
}

func (o *output) current() bool {
	for _, n := range o.reads {
		if !n.answer.Current() {
			return false
		}
	}
	return true
}

// keep executes a body and keeps its output, unless something turned out to be missing.
func (p *pass) keep(key elementKey, place int, execute func()) {
	x, r := p.x, p.x.reads
	start, from, open, deepest := len(x.out.output), len(r.notes), p.open, x.deepest
	x.deepest, p.open, r.noting = x.depth, p.open+1, true
	execute()
	if !r.waiting() {
		o := p.scope.outputs[key]
		if o == nil || o.run != r.run {
			p.scope.used++
		}
		if o == nil {
			o = &output{}
			p.scope.outputs[key] = o
			p.scope.put(o, place)
		}
		*o = output{ // in all places
			key: key, text: bytes.Clone(x.out.output[start:]), reads: distinct(r.notes[from:]), depth: x.deepest - x.depth, run: r.run,
		}
	}
	p.leave(open, deepest)
}

// leave leaves bodies, down to a number of open ones.
func (m *memo) leave(open, deepest int) {
	m.open, m.x.deepest = open, max(deepest, m.x.deepest)
	r := m.x.reads
	if r.noting = open > 0; !r.noting {
		r.notes = r.notes[:0]
	}
}

// distinct gives what was read, each once.
func distinct(notes []note) []note {
	if len(notes) <= 1 {
		return slices.Clone(notes)
	}
	seen := make(map[note]bool, len(notes))
	for _, n := range notes {
		seen[n] = true
	}
	return slices.AppendSeq(make([]note, 0, len(seen)), maps.Keys(seen))
}

// sweep forgets what the last execution, which has come to its end, has not used.
func (m *memo) sweep(run uint64) {
	for _, l := range m.loops {
		maps.DeleteFunc(l.kept, func(_ scopeKey, s *scope) bool { return s.run != run })
		for _, s := range l.kept {
			if s.used < len(s.outputs) {
				s.places = nil // some of them are to be forgotten
				maps.DeleteFunc(s.outputs, func(_ elementKey, o *output) bool { return o.run != run })
			}
		}
	}
}

// forget forgets all.
func (m *memo) forget() {
	for _, l := range m.loops {
		clear(l.kept)
	}
}
