package conf

import (
	"errors"
	"reflect"
	"strings"
)

// mapping decodes an object, or several, into a map of scalars.
func (d *Decoder) mapping(v Value, dst reflect.Value, path string) error {
	var errs []error
	all := copyOf(dst)
	for _, block := range blocksOf(v) {
		if err := block.wantBlock(path); err != nil {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, block.noLabel())
		for _, m := range block.Object {
			x := reflect.New(dst.Type().Elem()).Elem()
			errs = append(errs, d.value(m.Value, x, join(path, m.Name)))
			all.SetMapIndex(reflect.ValueOf(m.Name), x)
		}
	}
	dst.Set(all)
	return errors.Join(errs...)
}

// labelled decodes blocks with labels into a map of structs.
func (d *Decoder) labelled(v Value, dst reflect.Value, path string) error {
	var errs []error
	all := copyOf(dst)
	first := map[string]Pos{}
	for _, block := range blocksOf(v) {
		errs = append(errs, block.wantBlock(path))
		for _, m := range block.Object {
			if m.Value.kind == null {
				continue
			}
			for _, item := range blocksOf(m.Value) {
				pos, twice := first[m.Name]
				first[m.Name] = m.Pos
				if twice {
					errs = append(errs, m.Pos.Errorf("%s: comes twice, for the first time at %s: give each a name of its own", join(path, m.Name), pos))
				}
				errs = append(errs, d.entry(m, item, all, path))
			}
		}
	}
	dst.Set(all)
	return errors.Join(errs...)
}

// entry decodes one block with a label, over that of an earlier file.
func (d *Decoder) entry(m Member, v Value, all reflect.Value, path string) error {
	switch {
	case v.kind != object:
		return m.Pos.Errorf(`%s: want blocks with a name each: %s "name" { … }`, path, path[strings.LastIndexByte(path, '.')+1:])
	case m.Name == "":
		return m.Pos.Errorf("%s: the name is empty", path)
	}
	key := reflect.ValueOf(m.Name)
	x := reflect.New(all.Type().Elem()).Elem()
	if old := all.MapIndex(key); old.IsValid() {
		x.Set(old)
	}
	err := d.value(v, x, join(path, m.Name))
	all.SetMapIndex(key, x)
	return err
}

// blocksOf gives the items of a list, or the value itself.
func blocksOf(v Value) []Value {
	if v.kind == list {
		return v.List
	}
	return []Value{v}
}

func (v Value) wantBlock(path string) error {
	if v.kind != object {
		return v.Pos.Errorf("%s: want a block, got %s", path, v.describe())
	}
	return nil
}

// copyOf copies a map: the old one may belong to a copy of what holds it, too.
func copyOf(m reflect.Value) reflect.Value {
	all := reflect.MakeMap(m.Type())
	for iter := m.MapRange(); iter.Next(); {
		all.SetMapIndex(iter.Key(), iter.Value())
	}
	return all
}
