package conf

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"github.com/agext/levenshtein"
)

func (d *Decoder) structure(v Value, dst reflect.Value, path string) error {
	switch v.kind {
	case object:
		return d.members(v, dst, path)
	case list:
		return d.last(v.List, dst, path)
	}
	return v.Pos.Errorf("%s: want a block, got %s", path, v.describe())
}

// last decodes several blocks of one name. Of those in one file the last one alone
// counts, as consul-template has it; the others are decoded for their errors.
func (d *Decoder) last(blocks []Value, dst reflect.Value, path string) error {
	before := reflect.New(dst.Type()).Elem()
	before.Set(dst)
	var errs []error
	for _, block := range blocks {
		dst.Set(before)
		if block.kind != object {
			errs = append(errs, block.Pos.Errorf("%s: want a block, got %s", path, block.describe()))
			continue
		}
		errs = append(errs, d.members(block, dst, path))
	}
	return errors.Join(errs...)
}

// noLabel reports a label where there is to be none.
func (v Value) noLabel() error {
	if v.labelOf == "" {
		return nil
	}
	return v.Pos.Errorf("%q takes no label", v.labelOf)
}

// members decodes an object into a struct.
func (d *Decoder) members(v Value, dst reflect.Value, path string) error {
	if err := v.noLabel(); err != nil {
		return err
	}
	if p := dst.FieldByName("Pos"); p.IsValid() && p.Type() == reflect.TypeFor[Pos]() {
		p.Set(reflect.ValueOf(v.Pos))
	}
	fields := layoutOf(dst.Type()).byName
	found := map[int][]Member{}
	for _, m := range v.Object {
		if i, ok := d.find(fields, m.Name); ok && m.Value.kind != null {
			found[i] = append(found[i], m)
		}
	}
	var errs []error
	for _, m := range v.Object { // again, so that errors come in the order of the file
		i, ok := d.find(fields, m.Name)
		switch {
		case m.Value.kind == null: // as good as not there
		case !ok:
			errs = append(errs, d.unknown(m, fields, path))
		case found[i] != nil:
			errs = append(errs, d.field(found[i], dst, i, path))
			found[i] = nil
		}
	}
	return errors.Join(errs...)
}

// field decodes what an object has for a field of a struct.
func (d *Decoder) field(found []Member, dst reflect.Value, i int, path string) error {
	path = join(path, found[0].Name)
	v, err := combine(found, path)
	if err != nil {
		return err
	}
	f := layoutOf(dst.Type()).fields[i]
	if err := d.value(v, dst.FieldByIndex(f.Index), path); err != nil {
		return err
	}
	return atLeast(f.Tag.Get("min"), v, reflect.Indirect(dst.FieldByIndex(f.Index)), path)
}

// atLeast checks a number against the tag min.
func atLeast(tag string, v Value, x reflect.Value, path string) error {
	least, err := strconv.ParseInt(tag, 10, 64)
	if err == nil && x.Int() < least {
		return v.Pos.Errorf("%s: want %d or more", path, least)
	}
	return nil
}

// combine makes one value of all that an object has of one name, as HCL v1 does: of
// scalars the last one, of lists and blocks a list of all.
func combine(found []Member, path string) (Value, error) {
	last := found[len(found)-1]
	if len(found) == 1 {
		return last.Value, nil
	}
	all := Value{Pos: found[0].Value.Pos, kind: list}
	for _, m := range found {
		switch {
		case m.Value.isScalar() != last.Value.isScalar():
			return Value{}, last.Pos.Errorf("%s: is set twice, as %s and, at %s, as %s: leave one out", path, last.Value.describe(), m.Pos, m.Value.describe())
		case m.Value.kind == list:
			all.List = append(all.List, m.Value.List...)
		default:
			all.List = append(all.List, m.Value)
		}
	}
	if last.Value.isScalar() {
		return last.Value, nil
	}
	return all, nil
}

// join gives the path of a key; errors are lines, whatever the key is.
func join(path, name string) string {
	if strings.ContainsFunc(name, unicode.IsControl) {
		name = strconv.Quote(name)
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

// layout is the fields of a struct, with those of the structs embedded in it.
type layout struct {
	fields []reflect.StructField
	byName map[string]int
}

var layouts sync.Map // reflect.Type → *layout

func layoutOf(t reflect.Type) *layout {
	if f, ok := layouts.Load(t); ok {
		return f.(*layout)
	}
	f := &layout{fields: reflect.VisibleFields(t), byName: map[string]int{}}
	for i, field := range f.fields {
		for name := range strings.SplitSeq(field.Tag.Get("conf"), ",") {
			if name != "" {
				f.byName[name] = i
			}
		}
	}
	layouts.Store(t, f)
	return f
}

// find gives the field of a name. As in consul-template its case does not matter.
func (d *Decoder) find(fields map[string]int, name string) (int, bool) {
	if i, ok := fields[name]; ok {
		return i, true
	}
	for known, i := range fields {
		if strings.EqualFold(known, name) || d.Fold && fold(known) == fold(name) {
			return i, true
		}
	}
	return 0, false
}

func fold(name string) string { return strings.ReplaceAll(strings.ToLower(name), "_", "") }

func (d *Decoder) unknown(m Member, fields map[string]int, path string) error {
	if d.Explain != nil {
		if err := d.Explain(strings.ToLower(path), strings.ToLower(m.Name), m.Value); err != ErrUnknown {
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
