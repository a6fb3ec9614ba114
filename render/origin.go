package render

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/ctmpl/ctmpl/funcs"
	"github.com/ctmpl/ctmpl/watch"
)

// trace adds to the error of a value that was refused where the value comes from. It
// goes after redact: names of keys and services are no secrets, and what they are
// can be the same as one.
func (e *Error) trace(err error, answers map[watch.Query]any) {
	var printed *unsafeValue
	var refused *funcs.ValueError
	switch {
	case errors.As(err, &printed):
		e.err = nil // it has the value
		e.Message = fmt.Sprintf("%s (%s): print it by a function such as nginxHeader, or by raw if it is meant to have an effect", printed.text, origin(printed.value, answers))
	case errors.As(err, &refused):
		e.err = nil
		if refused.Of != "" {
			e.Message += " (of " + refused.Of + ")"
		} else if refused.Value != "" {
			e.Message += " (" + origin(refused.Value, answers) + ")"
		}
	}
}

// origin tells where in the answers a text stands: as a whole, else as a part of
// what stands there, else with more around it. The first one in the order of the
// queries counts.
func origin(text string, answers map[watch.Query]any) string {
	s := search{text: text, nearest: notFound}
	for _, q := range slices.SortedFunc(maps.Keys(answers), watch.Query.Compare) {
		s.query = q
		s.in(place{}, reflect.ValueOf(answers[q]))
	}
	if s.nearest == notFound {
		return "made by the template: it is in no answer"
	}
	return s.found
}

// How near a text in an answer comes to the one that is sought.
const (
	same = iota
	within
	around
	notFound
)

// search looks for a text in the answers.
type search struct {
	text    string
	query   watch.Query // that is looked at
	nearest int
	found   string
}

// place is a place in an answer.
type place struct {
	owner string // the service, node or key
	field string // below it
}

func (p place) below(name string) place {
	p.field = strings.TrimPrefix(p.field+"."+name, ".")
	return p
}

// in looks through a value and all below.
func (s *search) in(at place, v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		s.compare(at, v.String())
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			at.own(v)
			s.in(at, v.Elem())
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			s.in(at, v.Index(i))
		}
	case reflect.Map:
		if v.Type().Key().Kind() != reflect.String {
			return
		}
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, key := range keys {
			entry := place{at.owner, fmt.Sprintf("%s %.80q", at.field, key)}
			s.compare(entry, key.String())
			s.in(entry, v.MapIndex(key))
		}
	case reflect.Struct:
		for field, value := range v.Fields() {
			if field.IsExported() {
				s.in(at.below(field.Name), value)
			}
		}
	}
}

// own makes a place that of what v points to, if that has a name.
func (p *place) own(v reflect.Value) {
	switch v := v.Interface().(type) {
	case *watch.ServiceInstance:
		*p = place{owner: funcs.Whose(v)}
	case *watch.ServiceSummary:
		*p = place{owner: fmt.Sprintf("service %.80q", v.Name)}
	case *watch.NodeService:
		*p = place{owner: fmt.Sprintf("service %.80q, instance %.80q%s", v.Service, v.ID, onNode(p.owner))}
	case *watch.NodeDetail:
		if v.Node != nil {
			*p = place{owner: fmt.Sprintf("node %.80q", v.Node.Node)}
		}
	case *watch.Node:
		*p = place{owner: fmt.Sprintf("node %.80q", v.Node)}
	case *watch.KeyPair:
		*p = place{owner: fmt.Sprintf("key %.80q", v.Path)}
	}
}

func onNode(owner string) string {
	if owner == "" {
		return ""
	}
	return " on " + owner
}

// shortest is the length from which on one text in another is no accident.
const shortest = 3

func (s *search) compare(at place, text string) {
	rank := notFound
	switch {
	case text == s.text:
		rank = same
	case len(s.text) >= shortest && strings.Contains(text, s.text):
		rank = within
	case len(text) >= shortest && harmful(text) != "" && strings.Contains(s.text, text):
		rank = around
	}
	if rank < s.nearest {
		s.nearest, s.found = rank, "from "+s.name(at)
	}
}

// name says what stands at a place, and which query has asked for it.
func (s *search) name(at place) string {
	q := s.query
	q.Name = short(q.Name)
	switch {
	case at.owner == "" && at.field == "", q.Kind == watch.KindLookup:
		return q.String()
	case at.owner == "":
		return fmt.Sprintf("%s in %s", at.field, q)
	case strings.HasPrefix(at.owner, "key ") && at.field == "Value":
		return fmt.Sprintf("%s, asked for by %s", at.owner, q)
	}
	return fmt.Sprintf("%s of %s, asked for by %s", at.field, at.owner, q)
}

// short bounds a name.
func short(name string) string {
	if runes := []rune(name); len(runes) > 80 {
		return string(runes[:80]) + "…"
	}
	return name
}
