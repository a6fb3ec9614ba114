package funcs

import (
	"fmt"
	"reflect"
	"strings"
	"text/template"
)

// containsFuncs are the functions that look for values in lists and strings.
func containsFuncs() template.FuncMap {
	return template.FuncMap{
		"in":             func(list, v any) (bool, error) { return contains("in", list, v) },
		"contains":       func(v, list any) (bool, error) { return contains("contains", list, v) },
		"containsAll":    containsEach("containsAll", false, false),
		"containsAny":    containsEach("containsAny", true, true),
		"containsNone":   containsEach("containsNone", true, false),
		"containsNotAll": containsEach("containsNotAll", false, true),
	}
}

// containsEach gives the function name, which looks for one value after the other
// in a list (or string). The first that is found, or not found when stopAt is
// false, makes the result decided; without one the result is the opposite.
func containsEach(name string, stopAt, decided bool) func(values []any, list any) (bool, error) {
	return func(values []any, list any) (bool, error) {
		for _, v := range values {
			found, err := contains(name, list, v)
			if err != nil {
				return false, err
			}
			if found == stopAt {
				return decided, nil
			}
		}
		return !decided, nil
	}
}

// contains tells whether v is an element of list, or a part of it when list is a
// string. Only strings, signed integers and floats are ever found, and only among
// their like: 1 is not found in a list of floats, such as parseJSON gives. For any
// other type it is false. It is an error to look for nil in strings.
// name is the function that is asked, for the error.
func contains(name string, list, v any) (bool, error) {
	l, value := reflect.ValueOf(list), reflect.ValueOf(v)
	switch l.Kind() {
	case reflect.String:
		return compareStrings(name, l, value, strings.Contains)
	case reflect.Array, reflect.Slice:
		for i := range l.Len() {
			found, err := equal(name, l.Index(i), value)
			if found || err != nil {
				return found, err
			}
		}
	}
	return false, nil
}

func equal(name string, element, v reflect.Value) (bool, error) {
	if element.Kind() == reflect.Interface {
		element = element.Elem()
	}
	switch {
	case element.Kind() == reflect.String:
		return compareStrings(name, element, v, func(a, b string) bool { return a == b })
	case element.CanInt():
		return v.CanInt() && v.Int() == element.Int(), nil
	case element.CanFloat():
		return v.CanFloat() && v.Float() == element.Float(), nil
	}
	return false, nil
}

// compareStrings compares the string s with v, which must be of the same type.
func compareStrings(name string, s, v reflect.Value, compare func(s, v string) bool) (bool, error) {
	if !v.IsValid() {
		return false, fmt.Errorf("%s: cannot look for nil in strings", name)
	}
	return v.Type() == s.Type() && compare(s.String(), v.String()), nil
}
