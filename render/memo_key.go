package render

import (
	"reflect"

	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/funcs"
	"github.com/ctmpl/ctmpl/watch"
)

// lasting are the pointers to what is in answers, and to what funcs makes of that: nobody
// changes it, so what is at the same address is the same, for as long as it is kept.
var lasting = map[reflect.Type]bool{
	reflect.TypeFor[*watch.ServiceSummary]():  true,
	reflect.TypeFor[*watch.ServiceInstance](): true,
	reflect.TypeFor[*watch.Node]():            true,
	reflect.TypeFor[*watch.NodeDetail]():      true,
	reflect.TypeFor[*watch.NodeService]():     true,
	reflect.TypeFor[*watch.KeyPair]():         true,
	reflect.TypeFor[*watch.CARoot]():          true,
	reflect.TypeFor[*watch.LeafCert]():        true,
	reflect.TypeFor[*watch.Peering]():         true,
	reflect.TypeFor[*watch.Partition]():       true,
	reflect.TypeFor[*api.HealthCheck]():       true,
	reflect.TypeFor[*funcs.Upstream]():        true,
	reflect.TypeFor[*funcs.Split]():           true,
	reflect.TypeFor[*funcs.Site]():            true,
	reflect.TypeFor[*funcs.Stream]():          true,
}

// listKey is the identity of a list of such pointers, which it keeps.
type listKey struct {
	list  reflect.Type
	first any // where it is; nil when it is empty
	len   int
	isNil bool
}

// identity gives what a value is known by: the same one is the same value, now and
// later. ok is false for what has none, such as a map that a template may change.
func identity(v reflect.Value) (key any, ok bool) {
	for v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	switch {
	case !v.IsValid():
		return nil, true
	case simple(v.Kind()) || lasting[v.Type()]:
		return v.Interface(), true
	case v.Kind() == reflect.Slice && lasting[v.Type().Elem()]:
		return identityOfList(v), true
	}
	return nil, false
}

func identityOfList(v reflect.Value) listKey {
	key := listKey{list: v.Type(), len: v.Len(), isNil: v.IsNil()}
	if key.len > 0 {
		key.first = v.Index(0).Addr().Interface()
	}
	return key
}

// simple tells whether values of a kind are their own identity. Floats are not: 0 is
// equal to -0, and NaN to nothing.
func simple(k reflect.Kind) bool {
	return k == reflect.String || k == reflect.Bool || k >= reflect.Int && k <= reflect.Uint64
}

// identified tells whether the elements of a list may have an identity, and are what
// they are without their place in the list: the address of one would lead to methods.
func identified(elem reflect.Type) bool {
	return lasting[elem] || simple(elem.Kind()) && elem.PkgPath() == "" || elem.Kind() == reflect.Interface && elem.NumMethod() == 0
}
