package conf

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/agext/levenshtein"
)

// Unmarshaler is a type that reads itself from a value.
type Unmarshaler interface {
	UnmarshalConf(Value) error
}

// Decoder decodes values into Go values. Fields are named by their conf tag, with
// commas between several names; a field without one is left out. A field Pos of
// type Pos is told where the struct was read.
//
// A list of structs is appended to, and everything else is overwritten, so several
// files decoded one after the other merge. A truth value may be written as a
// string, and so may a number; a duration is a string such as "5s" or a number of
// seconds.
type Decoder struct {
	// Fold takes names in any case, with or without underscores.
	Fold bool
	// Explain, when it is set, is asked about a key that no field has. It gives an
	// error of its own, or nil to leave the key out of account, or ErrUnknown.
	Explain func(path, name string, v Value) error
}

// ErrUnknown says that there is no more to say of a key than that it is unknown.
var ErrUnknown = errors.New("unknown key")

// Decode decodes v, an object, over the struct that dst points to. what names the
// object in errors.
func (d *Decoder) Decode(v Value, dst any, what string) error {
	return d.value(v, reflect.ValueOf(dst).Elem(), what)
}

func (d *Decoder) value(v Value, dst reflect.Value, path string) error {
	if dst.CanAddr() {
		switch u := dst.Addr().Interface().(type) {
		case Unmarshaler:
			return u.UnmarshalConf(v)
		case encoding.TextUnmarshaler:
			return d.text(v, u, path)
		}
	}
	if dst.Type() == reflect.TypeFor[time.Duration]() {
		return set(dst, v, path, Value.Duration)
	}
	switch dst.Kind() {
	case reflect.Pointer:
		target := reflect.New(dst.Type().Elem())
		if err := d.value(v, target.Elem(), path); err != nil {
			return err
		}
		dst.Set(target)
		return nil
	case reflect.Struct:
		return d.structure(v, dst, path)
	case reflect.Slice:
		return d.slice(v, dst, path)
	case reflect.Map:
		return d.mapping(v, dst, path)
	case reflect.String:
		return set(dst, v, path, Value.String)
	case reflect.Bool:
		return set(dst, v, path, Value.Bool)
	case reflect.Int, reflect.Int64:
		return set(dst, v, path, Value.Int)
	}
	return fmt.Errorf("conf: cannot decode into %s", dst.Type())
}

func (d *Decoder) text(v Value, u encoding.TextUnmarshaler, path string) error {
	s, err := v.String()
	if err == nil {
		err = u.UnmarshalText([]byte(s))
	}
	if err != nil {
		return v.Pos.Errorf("%s: %w", path, err)
	}
	return nil
}

func set[T any](dst reflect.Value, v Value, path string, get func(Value) (T, error)) error {
	x, err := get(v)
	if err != nil {
		return v.Pos.Errorf("%s: %w", path, err)
	}
	dst.Set(reflect.ValueOf(x).Convert(dst.Type()))
	return nil
}

func (d *Decoder) structure(v Value, dst reflect.Value, path string) error {
	if v.kind == list { // several blocks of one name, as JSON has them
		var errs []error
		for _, item := range v.List {
			errs = append(errs, d.structure(item, dst, path))
		}
		return errors.Join(errs...)
	}
	if v.kind != object {
		return v.Pos.Errorf("%s: want a block, got %s", path, v.describe())
	}
	fields := fieldsOf(dst.Type())
	if p := dst.FieldByName("Pos"); p.IsValid() && p.Type() == reflect.TypeFor[Pos]() {
		p.Set(reflect.ValueOf(v.Pos))
	}
	var errs []error
	for _, m := range v.Object {
		if m.Value.isNull() {
			continue // as good as not there
		}
		i, ok := d.find(fields, m.Name)
		if !ok {
			errs = append(errs, d.unknown(m, fields, path))
			continue
		}
		errs = append(errs, d.value(m.Value, dst.Field(i), join(path, m.Name)))
	}
	return errors.Join(errs...)
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func fieldsOf(t reflect.Type) map[string]int {
	fields := map[string]int{}
	for i := range t.NumField() {
		for name := range strings.SplitSeq(t.Field(i).Tag.Get("conf"), ",") {
			if name != "" {
				fields[name] = i
			}
		}
	}
	return fields
}

func (d *Decoder) find(fields map[string]int, name string) (int, bool) {
	if i, ok := fields[name]; ok {
		return i, true
	}
	if d.Fold {
		for known, i := range fields {
			if fold(known) == fold(name) {
				return i, true
			}
		}
	}
	return 0, false
}

func fold(name string) string { return strings.ReplaceAll(strings.ToLower(name), "_", "") }

func (d *Decoder) unknown(m Member, fields map[string]int, path string) error {
	if d.Explain != nil {
		if err := d.Explain(path, m.Name, m.Value); err != ErrUnknown {
			if err != nil {
				err = m.Pos.Errorf("%s: %w", join(path, m.Name), err)
			}
			return err
		}
	}
	where := ""
	if path != "" {
		where = " in " + path
	}
	known := make([]string, 0, len(fields))
	for name := range fields {
		known = append(known, name)
	}
	return m.Pos.Errorf("unknown key %q%s%s", m.Name, where, DidYouMean(m.Name, known))
}

// DidYouMean gives ": did you mean …?" with the known name nearest to name, or
// nothing when none is near.
func DidYouMean(name string, known []string) string {
	slices.Sort(known)
	best, distance := "", max(2, len(name)/3)+1
	for _, k := range known {
		if n := levenshtein.Distance(strings.ToLower(name), strings.ToLower(k), nil); n < distance {
			best, distance = k, n
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(": did you mean %q?", best)
}

func (d *Decoder) slice(v Value, dst reflect.Value, path string) error {
	items := v.List
	if v.kind != list {
		items = []Value{v}
	}
	elem := dst.Type().Elem()
	out := reflect.MakeSlice(dst.Type(), 0, len(items))
	if elem.Kind() == reflect.Struct {
		out = dst // blocks add up
	}
	var errs []error
	for _, item := range items {
		x := reflect.New(elem)
		errs = append(errs, d.value(item, x.Elem(), path))
		out = reflect.Append(out, x.Elem())
	}
	dst.Set(out)
	return errors.Join(errs...)
}

// mapping decodes an object into a map of strings.
func (d *Decoder) mapping(v Value, dst reflect.Value, path string) error {
	if v.kind != object {
		return v.Pos.Errorf("%s: want a block, got %s", path, v.describe())
	}
	if dst.IsNil() {
		dst.Set(reflect.MakeMap(dst.Type()))
	}
	var errs []error
	for _, m := range v.Object {
		x := reflect.New(dst.Type().Elem()).Elem()
		errs = append(errs, d.value(m.Value, x, join(path, m.Name)))
		dst.SetMapIndex(reflect.ValueOf(m.Name), x)
	}
	return errors.Join(errs...)
}
