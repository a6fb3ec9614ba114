package conf

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"time"
)

// Unmarshaler is a type that reads itself from a value.
type Unmarshaler interface {
	UnmarshalConf(Value) error
}

// Decoder decodes values into Go values. Fields are named by their conf tag, with
// commas between several names; a field without one is left out. The fields of an
// embedded struct count as those of the struct around it. A field Pos of
// type Pos is told where the struct was read. A tag min is the least that a number may be.
//
// A map of structs takes blocks with labels: group "a" { … } is the entry a of the field
// group. A label that comes twice in one file is an error.
//
// A list of structs is appended to, and everything else is overwritten, so several
// files decoded one after the other merge. A truth value may be written as a
// string, and so may a number; a duration is a string such as "5s" or a number of
// seconds. Names are taken in any case.
type Decoder struct {
	// Fold takes names with or without underscores.
	Fold bool
	// Explain, when it is set, is asked about a key that no field has; path and name
	// are in lower case. It gives an error of its own, or nil to leave the key out of
	// account, or ErrUnknown.
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
		if dst.Type().Elem().Kind() == reflect.Struct {
			return d.labelled(v, dst, path)
		}
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
