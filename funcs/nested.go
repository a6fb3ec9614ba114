package funcs

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template"

	"dario.cat/mergo"

	"github.com/ctmpl/ctmpl/watch"
)

// mapFuncs are the functions that build and merge nested maps.
func mapFuncs() template.FuncMap {
	return template.FuncMap{
		"explode":              explode,
		"explodeMap":           explodeMap,
		"mergeMap":             merger("mergeMap"),
		"mergeMapWithOverride": merger("mergeMapWithOverride", mergo.WithOverride),
	}
}

// explode turns the pairs of tree or ls into nested maps: the value of a/b is at
// .a.b. It is an error when a key lies below one that has a value before it.
func explode(pairs []*watch.KeyPair) (map[string]any, error) {
	tree := make(map[string]any)
	for _, pair := range pairs {
		if err := plant(tree, pair.Key, pair.Value); err != nil {
			return nil, fmt.Errorf("explode: %w", err)
		}
	}
	return tree, nil
}

// explodeMap does the same as explode with the keys and values of a map.
func explodeMap(flat map[string]any) (map[string]any, error) {
	tree := make(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(flat)) {
		if err := plant(tree, key, flat[key]); err != nil {
			return nil, fmt.Errorf("explodeMap: %w", err)
		}
	}
	return tree, nil
}

// plant puts value at path into tree. A path that ends with "/" makes the maps on
// its way and no more.
func plant(tree map[string]any, path string, value any) error {
	parts := strings.Split(path, "/")
	last := len(parts) - 1
	for i, part := range parts[:last] {
		if _, ok := tree[part]; !ok {
			tree[part] = make(map[string]any)
		}
		below, _ := tree[part].(map[string]any)
		if below == nil {
			return fmt.Errorf("cannot put key %.80q below %.80q: that one has a value", path, strings.Join(parts[:i+1], "/"))
		}
		tree = below
	}
	if name := parts[last]; name != "" {
		tree[name] = value
	}
	return nil
}

// merger gives the function name, which merges src into dst, changes dst and
// returns it. Nested maps are merged in turn. Without mergo.WithOverride a value
// of src only takes the place of one that is missing or empty. What the maps share
// with others is copied before, so nothing but dst and the maps in it changes.
func merger(name string, options ...func(*mergo.Config)) func(dst, src map[string]any) (map[string]any, error) {
	return func(dst, src map[string]any) (_ map[string]any, err error) {
		// mergo panics when nested maps have different types of keys, as those of
		// parseYAML and parseJSON.
		defer recovered(name+": the maps do not fit together", &err)
		own(dst)
		if err := mergo.Map(&dst, cloned(src), options...); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return dst, nil
	}
}
