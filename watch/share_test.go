package watch

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/consul/api"
)

// Whatever field of a value is another one, down to those of the checks, it is another
// value.
func TestEveryFieldCounts(t *testing.T) {
	t.Parallel()
	for _, example := range []any{
		[]*ServiceInstance{{Checks: api.HealthChecks{{}}}}, []*ServiceSummary{{}}, []*Node{{}}, []*KeyPair{{}},
		&NodeDetail{Node: &Node{}, Services: []*NodeService{{}}}, &NodeDetail{}, Lookup{}, "text", []string{"x"},
		[]*CARoot{{}}, &LeafCert{}, []*Peering{{}}, []*Partition{{}}, []ExportedService{{}}, []ImportedService{{}},
	} {
		n := 0
		for changed := range variants(reflect.ValueOf(example)) {
			n++
			if _, same := share(example, changed.Interface()); same {
				t.Errorf("no change from %s to %s", show(example), show(changed.Interface()))
			}
			if _, same := share(changed.Interface(), example); same {
				t.Errorf("no change from %s to %s", show(changed.Interface()), show(example))
			}
		}
		if again := reflect.ValueOf(clone(reflect.ValueOf(example)).Interface()); n == 0 || !reflect.DeepEqual(example, again.Interface()) {
			t.Errorf("%T: %d variants", example, n)
		} else if kept, same := share(example, again.Interface()); !same || !reflect.DeepEqual(kept, example) {
			t.Errorf("%T: a copy counts as a change", example)
		}
	}
}

func show(v any) string { return fmt.Sprintf("%T %s", v, cmp.Diff(nil, v)) }

// variants gives copies of a value that differ from it in one place each.
func variants(v reflect.Value) func(yield func(reflect.Value) bool) {
	return func(yield func(reflect.Value) bool) {
		with := func(set func(c reflect.Value)) bool {
			c := clone(v)
			set(c)
			return yield(c)
		}
		switch v.Kind() {
		case reflect.Struct:
			if v.Type() == instant {
				yield(filled(instant))
				return
			}
			for i := range v.NumField() {
				for f := range variants(v.Field(i)) {
					if !with(func(c reflect.Value) { c.Field(i).Set(f) }) {
						return
					}
				}
			}
		case reflect.Pointer:
			if v.IsNil() {
				yield(reflect.New(v.Type().Elem()))
				return
			}
			for e := range variants(v.Elem()) {
				if !with(func(c reflect.Value) { c.Elem().Set(e) }) {
					return
				}
			}
		case reflect.Slice:
			for i := range v.Len() {
				for e := range variants(v.Index(i)) {
					if !with(func(c reflect.Value) { c.Index(i).Set(e) }) {
						return
					}
				}
			}
			longer := reflect.Append(clone(v), filled(v.Type().Elem()))
			empty := reflect.MakeSlice(v.Type(), 0, 0)
			_ = yield(longer) && (v.Len() == 0 && !v.IsNil() || yield(empty)) && (v.IsNil() || yield(reflect.Zero(v.Type())))
		case reflect.Map:
			other := reflect.MakeMap(v.Type())
			other.SetMapIndex(reflect.ValueOf("other"), filled(v.Type().Elem()))
			_ = yield(other) && yield(reflect.MakeMap(v.Type()))
		default:
			yield(filled(v.Type()))
		}
	}
}

var instant = reflect.TypeFor[time.Time]()

// filled is a value that is not the zero one.
func filled(t reflect.Type) reflect.Value {
	v := reflect.New(t).Elem()
	switch t.Kind() {
	case reflect.String:
		v.SetString("another text")
	case reflect.Int, reflect.Int64:
		v.SetInt(12345)
	case reflect.Uint64:
		v.SetUint(12345)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(t, 1, 1))
	case reflect.Struct: // its fields are looked at where there is one
		if t == instant {
			v.Set(reflect.ValueOf(time.Unix(1, 0)))
		}
	default:
		panic("nobody has thought of " + t.String())
	}
	return v
}

// clone copies a value in depth.
func clone(v reflect.Value) reflect.Value {
	c := reflect.New(v.Type()).Elem()
	switch {
	case v.Kind() == reflect.Pointer && !v.IsNil():
		c.Set(reflect.New(v.Type().Elem()))
		c.Elem().Set(clone(v.Elem()))
	case v.Kind() == reflect.Slice && !v.IsNil():
		c.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
		for i := range v.Len() {
			c.Index(i).Set(clone(v.Index(i)))
		}
	case v.Kind() == reflect.Struct && v.Type() != instant:
		for i := range v.NumField() {
			c.Field(i).Set(clone(v.Field(i)))
		}
	default:
		c.Set(v)
	}
	return c
}

// What is kept of an answer is equal to the answer, and its elements are those of before
// wherever these are equal.
func TestElementsAreShared(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	list := func() []*KeyPair {
		all := []*KeyPair{}
		for i := range 12 {
			if random.IntN(4) > 0 {
				all = append(all, &KeyPair{Path: fmt.Sprint(i), Flags: uint64(random.IntN(10) / 8)})
			}
		}
		if random.IntN(5) == 0 {
			random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		}
		return all
	}
	before := list()
	for range 2_000 {
		after := list()
		given := slices.Clone(after)
		kept, same := share(before, after)
		if got := kept.([]*KeyPair); same != cmp.Equal(before, after) || !cmp.Equal(got, given) || !slices.Equal(after, given) {
			t.Fatalf("%v: %s", same, cmp.Diff(given, got))
		}
		for _, k := range kept.([]*KeyPair) {
			for _, b := range before {
				if k != b && *k == *b {
					t.Fatalf("key %s is not shared", k.Path)
				}
			}
		}
		before = kept.([]*KeyPair)
	}
}

func BenchmarkStoreUpdate(b *testing.B) {
	for _, n := range []int{5, 1000} {
		b.Run(fmt.Sprintf("service/%d", n), func(b *testing.B) {
			update(b, n, func(i int) *ServiceInstance {
				return &ServiceInstance{
					Node: fmt.Sprint("node-", i), ID: fmt.Sprint("web-", i), Tags: []string{"http"}, NodeMeta: map[string]string{"version": "1"},
					Checks: api.HealthChecks{{Node: fmt.Sprint("node-", i), Status: StatusPassing}, {ServiceID: fmt.Sprint("web-", i), Status: StatusPassing}},
				}
			}, func(s *ServiceInstance, n int) { s.Port = n })
		})
	}
	b.Run("prefix/10000", func(b *testing.B) {
		update(b, 10_000, func(i int) *KeyPair { return &KeyPair{Path: fmt.Sprint("a/", i), Value: "v"} }, func(p *KeyPair, n int) { p.ModifyIndex = uint64(n) })
	})
}

// update puts one answer after the other, each with one element that has changed.
func update[E any](b *testing.B, size int, element func(int) *E, change func(*E, int)) {
	var lists [2][]*E
	for l := range lists {
		for i := range size {
			lists[l] = append(lists[l], element(i))
		}
	}
	s, q := NewStore(), Query{Kind: KindService, Name: "web"}
	s.Put(q, lists[0])
	b.ReportAllocs()
	for n := 1; b.Loop(); n++ {
		list := slices.Clone(lists[n%2])
		changed := *list[size/2]
		change(&changed, n)
		list[size/2] = &changed
		s.Put(q, list)
	}
}
