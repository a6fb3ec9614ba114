package funcs

import (
	"errors"
	"reflect"
)

// errHoldsItself keeps maps from holding themselves. Nothing that prints a value
// (text/template itself, yaml, toml, spew) could stand it: the stack would overflow,
// and that ends the process.
var errHoldsItself = errors.New("the map would hold itself")

// holds tells whether m is v or is found in it. Only maps and lists of mixed
// values, and what is in them, can hold a map that a template has made.
func holds(v any, m map[string]any) bool {
	return reaches(reflect.ValueOf(v), reflect.ValueOf(m).Pointer())
}

func reaches(v reflect.Value, m uintptr) bool {
	if v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.Map:
		if v.Pointer() == m {
			return true
		}
		if !mixed(v.Type().Elem()) {
			return false
		}
		for entries := v.MapRange(); entries.Next(); {
			if reaches(entries.Value(), m) {
				return true
			}
		}
	case reflect.Slice, reflect.Array:
		if !mixed(v.Type().Elem()) {
			return false
		}
		for i := range v.Len() {
			if reaches(v.Index(i), m) {
				return true
			}
		}
	}
	return false
}

// mixed tells whether values of type t can hold a map of a template.
func mixed(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Interface:
		return true
	case reflect.Map, reflect.Slice, reflect.Array:
		return mixed(t.Elem())
	}
	return false
}

// own replaces what merging into m could change and m shares with others, such as
// the metadata of a service in the store, by copies. Nested maps of mixed values are
// a template's own: they stay, and are looked through. Lists are replaced by merging,
// not changed.
func own(m map[string]any) {
	for key, v := range m {
		if v = owned(v); v != nil {
			m[key] = v
		}
	}
}

// owned gives a copy of v if it needs one.
func owned(v any) any {
	value := reflect.ValueOf(v)
	switch {
	case value.Kind() == reflect.Pointer, value.Kind() == reflect.Map && !mixed(value.Type()):
		return clone(value).Interface()
	case value.Kind() == reflect.Map:
		for entries := value.MapRange(); entries.Next(); {
			if v := owned(entries.Value().Interface()); v != nil {
				value.SetMapIndex(entries.Key(), reflect.ValueOf(v))
			}
		}
	}
	return nil
}

// cloned is a copy of m that shares nothing which could be changed.
func cloned(m map[string]any) map[string]any {
	return clone(reflect.ValueOf(m)).Interface().(map[string]any)
}

// clone copies maps, lists, pointers and structs all the way down; what a struct
// does not export is shared.
func clone(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.Map, reflect.Slice, reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return v
		}
	}
	out := reflect.New(v.Type()).Elem()
	switch v.Kind() {
	case reflect.Map:
		out.Set(reflect.MakeMapWithSize(v.Type(), v.Len()))
		for entries := v.MapRange(); entries.Next(); {
			out.SetMapIndex(entries.Key(), clone(entries.Value()))
		}
	case reflect.Slice:
		out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
		for i := range v.Len() {
			out.Index(i).Set(clone(v.Index(i)))
		}
	case reflect.Pointer:
		out.Set(reflect.New(v.Type().Elem()))
		out.Elem().Set(clone(v.Elem()))
	case reflect.Interface:
		out.Set(clone(v.Elem()))
	case reflect.Struct:
		out.Set(v)
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				out.Field(i).Set(clone(v.Field(i)))
			}
		}
	default:
		return v
	}
	return out
}
