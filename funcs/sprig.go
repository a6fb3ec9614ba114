package funcs

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
)

// builtins are the functions of text/template, which keep their names
// (https://pkg.go.dev/text/template#hdr-Functions).
var builtins = []string{
	"and", "call", "html", "index", "js", "len", "not", "or", "print", "printf", "println", "slice", "urlquery",
	"eq", "ge", "gt", "le", "lt", "ne",
}

// sprigFuncs are sprig's functions whose result depends on nothing outside, as
// sprig_NAME and as NAME unless text/template has that one.
func sprigFuncs() template.FuncMap {
	all := make(template.FuncMap)
	hermetic := template.FuncMap(sprig.HermeticTxtFuncMap())
	maps.Copy(hermetic, boundedFuncs(hermetic))
	maps.Copy(hermetic, mergeFuncs(hermetic))
	for name, fn := range hermetic {
		all["sprig_"+name] = fn
		if !slices.Contains(builtins, name) {
			all[name] = fn
		}
	}
	return all
}

// boundedFuncs are those of sprig's functions whose result can be huge because of
// one number, which is an error then; else they are sprig's.
func boundedFuncs(sprig template.FuncMap) template.FuncMap {
	repeat, until, seq := sprig["repeat"].(func(int, string) string), sprig["until"].(func(int) []int), sprig["seq"].(func(...int) string)
	untilStep := sprig["untilStep"].(func(int, int, int) []int)
	sortAlpha := sprig["sortAlpha"].(func(any) []string)
	return template.FuncMap{
		"sortAlpha": func(list any) []string {
			if of, ok := list.([]string); ok {
				list = slices.Clone(of) // it is sorted where it is, and may be part of an answer
			}
			return sortAlpha(list)
		},
		"repeat": func(n int, s string) (string, error) {
			if err := grown("repeat", n, len(s)); err != nil {
				return "", err
			}
			return repeat(n, s), nil
		},
		"indent":  boundedIndent("indent", sprig["indent"]),
		"nindent": boundedIndent("nindent", sprig["nindent"]),
		"until": func(stop int) ([]int, error) {
			if err := countable("until", 0, stop, 1); err != nil {
				return nil, err
			}
			return until(stop), nil
		},
		"untilStep": func(start, stop, step int) ([]int, error) {
			if err := countable("untilStep", start, stop, step); err != nil {
				return nil, err
			}
			return untilStep(start, stop, step), nil
		},
		"seq": func(params ...int) (string, error) {
			if err := countableSeq(params); err != nil {
				return "", err
			}
			return seq(params...), nil
		},
	}
}

func boundedIndent(name string, fn any) func(int, string) (string, error) {
	indent := fn.(func(int, string) string)
	return func(spaces int, s string) (string, error) {
		if err := grown(name, spaces, strings.Count(s, "\n")+1); err != nil {
			return "", err
		}
		return indent(spaces, s), nil
	}
}

// maxNumbers bounds a list of numbers at 64 MiB.
const maxNumbers = 8 << 20

// countable is an error when there are more than maxNumbers from start to stop.
// Without a step there are none.
func countable(fn string, start, stop, step int) error {
	if step != 0 && math.Abs(float64(stop)-float64(start)) > maxNumbers*math.Abs(float64(step)) {
		return fmt.Errorf("%s: more than %d numbers", fn, maxNumbers)
	}
	return nil
}

// countableSeq takes the forms of seq: LAST, FIRST LAST, and FIRST STEP LAST.
func countableSeq(params []int) error {
	switch len(params) {
	case 1:
		return countable("seq", 1, params[0], 1)
	case 2:
		return countable("seq", params[0], params[1], 1)
	case 3:
		return countable("seq", params[0], params[2], params[1])
	}
	return nil
}

// mergeFuncs are those of sprig's functions that change a map: no map may come to
// hold itself, and no answer in the store may be changed through one.
func mergeFuncs(sprig template.FuncMap) template.FuncMap {
	set := sprig["set"].(func(map[string]any, string, any) map[string]any)
	all := template.FuncMap{
		"set": func(m map[string]any, key string, v any) (map[string]any, error) {
			if holds(v, m) {
				return nil, fmt.Errorf("set: %w", errHoldsItself)
			}
			return set(m, key, v), nil
		},
	}
	for _, name := range []string{"merge", "mergeOverwrite"} {
		merge := sprig[name].(func(map[string]any, ...map[string]any) any)
		all[name] = func(dst map[string]any, srcs ...map[string]any) any {
			own(dst)
			return merge(dst, clones(srcs)...)
		}
	}
	for _, name := range []string{"mustMerge", "mustMergeOverwrite"} {
		merge := sprig[name].(func(map[string]any, ...map[string]any) (any, error))
		all[name] = func(dst map[string]any, srcs ...map[string]any) (any, error) {
			own(dst)
			return merge(dst, clones(srcs)...)
		}
	}
	return all
}

func clones(list []map[string]any) []map[string]any {
	out := make([]map[string]any, len(list))
	for i, m := range list {
		out[i] = cloned(m)
	}
	return out
}
