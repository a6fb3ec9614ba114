package funcs

import (
	"fmt"
	"maps"
	"slices"
)

// Scratch keeps values by name during one execution of a template, over all
// templates of the file. It is what the function scratch gives; its zero value is
// empty. The methods that set a value leave nothing in the rendered text.
type Scratch struct {
	values map[string]any
}

// Key tells whether there is a value of this name, be it nil.
func (s *Scratch) Key(name string) bool {
	_, ok := s.values[name]
	return ok
}

// Get gives a value, nil when there is none.
func (s *Scratch) Get(name string) any { return s.values[name] }

// Set sets a value.
func (s *Scratch) Set(name string, v any) string {
	if s.values == nil {
		s.values = map[string]any{}
	}
	s.values[name] = v
	return ""
}

// SetX sets a value unless there is one.
func (s *Scratch) SetX(name string, v any) string {
	if !s.Key(name) {
		s.Set(name, v)
	}
	return ""
}

// MapSet sets an entry of the map of this name, which is made when it is missing.
// It is an error when the value of this name is no map, and when v holds that map:
// printing such a value would never end.
func (s *Scratch) MapSet(name, key string, v any) (string, error) {
	m, err := s.entries("MapSet", name, v)
	if err == nil {
		m[key] = v
	}
	return "", err
}

// MapSetX does the same as MapSet unless there is such an entry.
func (s *Scratch) MapSetX(name, key string, v any) (string, error) {
	m, err := s.entries("MapSetX", name, v)
	if _, ok := m[key]; err == nil && !ok {
		m[key] = v
	}
	return "", err
}

// entries gives the map of this name, into which method puts v.
func (s *Scratch) entries(method, name string, v any) (map[string]any, error) {
	s.SetX(name, map[string]any{})
	m, ok := s.values[name].(map[string]any)
	switch {
	case !ok:
		return nil, fmt.Errorf("scratch.%s: the value of %.80q is not a map, but %T", method, name, s.values[name])
	case m == nil:
		return nil, fmt.Errorf("scratch.%s: the value of %.80q is a nil map", method, name)
	case holds(v, m):
		return nil, fmt.Errorf("scratch.%s: %.80q: %w", method, name, errHoldsItself)
	}
	return m, nil
}

// MapValues gives the values of a map in the order of their keys. There are none
// when the value of this name is no map.
func (s *Scratch) MapValues(name string) []any {
	m, ok := s.values[name].(map[string]any)
	if !ok {
		return nil
	}
	values := make([]any, 0, len(m))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		values = append(values, m[key])
	}
	return values
}
