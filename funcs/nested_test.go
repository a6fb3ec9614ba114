package funcs

import "testing"

func TestExplode(t *testing.T) {
	data := map[string]any{
		"kv":    pairs("a/b", "1", "a/c/d", "2", "top", "3", "dir/", "4", "/lead", "5", "x//y", "6"),
		"twice": pairs("a/b", "1", "a", "2"),
		"clash": pairs("a/b", "hunter2", "a/b/c/d", "2"),
	}
	checkHelpers(t, data, []helperCase{
		{text: `{{explode .kv}}`, want: "map[:map[lead:5] a:map[b:1 c:map[d:2]] dir:map[] top:3 x:map[:map[y:6]]]"},
		{text: `{{with explode .kv}}{{.a.c.d}}{{printf "%T" .}}{{end}}`, want: "2map[string]interface {}"},
		{text: `{{explode .twice}} {{explode nil}}`, want: "map[a:2] map[]"},
		{text: `{{explode .clash}}`, err: `explode: cannot put key "a/b/c/d" below "a/b": that one has a value`},
		{text: `{{explode "x"}}`, err: `can't handle "x" for arg of type []*watch.KeyPair`},
	})
}

func TestExplodeMap(t *testing.T) {
	checkHelpers(t, map[string]any{"nilmap": map[string]any{"a": map[string]any(nil), "a/b": 1}}, []helperCase{
		{text: `{{explodeMap (sprig_dict "a/b" 1 "a/c" (sprig_list 1) "d" nil "" 5)}}`, want: "map[a:map[b:1 c:[1]] d:<nil>]"},
		{text: `{{explodeMap (sprig_dict "a" (sprig_dict "x" 1) "a/b" 2)}}`, want: "map[a:map[b:2 x:1]]"},
		{text: `{{explodeMap nil}}`, want: "map[]"},
		{text: `{{explodeMap (sprig_dict "a" 1 "a/b" 2)}}`, err: `explodeMap: cannot put key "a/b" below "a": that one has a value`},
		{text: `{{explodeMap (sprig_dict "a" nil "a/b" 2)}}`, err: `explodeMap: cannot put key "a/b" below "a": that one has a value`},
		{text: `{{explodeMap .nilmap}}`, err: `explodeMap: cannot put key "a/b" below "a": that one has a value`},
		{text: `{{explodeMap (parseYAML "a: 1")}}`, err: "wrong type for value; expected map[string]interface {}; got map[interface {}]interface {}"},
	})
}

func TestMergeMap(t *testing.T) {
	const base = `{{$a := parseJSON "{\"a\":1,\"e\":\"\",\"m\":{\"x\":1}}"}}{{$b := parseJSON "{\"a\":2,\"b\":3,\"e\":4,\"m\":{\"x\":2,\"y\":3}}"}}`
	checkHelpers(t, nil, []helperCase{
		{text: base + `{{$b | mergeMap $a}} {{$a}}`, want: "map[a:1 b:3 e:4 m:map[x:1 y:3]] map[a:1 b:3 e:4 m:map[x:1 y:3]]"},
		{text: base + `{{$b | mergeMapWithOverride $a}} {{$b}}`, want: "map[a:2 b:3 e:4 m:map[x:2 y:3]] map[a:2 b:3 e:4 m:map[x:2 y:3]]"},
		{text: `{{mergeMap nil nil}} {{mergeMap nil (sprig_dict "a" 1)}} {{mergeMap (sprig_dict "a" 1) nil}}`, want: "map[] map[a:1] map[a:1]"},
		{
			text: `{{mergeMap (parseJSON "{\"m\":{\"x\":1}}") (sprig_dict "m" (parseYAML "y: 2"))}}`,
			err:  "mergeMap: the maps do not fit together: reflect.Value.MapIndex: value of type interface {} is not assignable to type string",
		},
		{text: `{{mergeMap "a" (sprig_dict)}}`, err: `can't handle "a" for arg of type map[string]interface {}`},
	})
}
