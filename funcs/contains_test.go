package funcs

import (
	"errors"
	"testing"
)

type tag string

func TestContains(t *testing.T) {
	data := map[string]any{
		"tags":   []string{"a", "prod"},
		"named":  []tag{"a"},
		"errors": []error{errors.New("a"), nil},
		"array":  [2]any{"a", 1},
		"bytes":  []byte("a"),
		"json":   []any{"a", 1.0, nil, true},
		"ints":   []int32{1, 2},
	}
	checkHelpers(t, data, []helperCase{
		{text: `{{in .tags "prod"}} {{.tags | contains "prod"}} {{in .tags "pro"}} {{in .tags 1}}`, want: "true true false false"},
		{text: `{{in "abc" "bc"}} {{in "abc" ""}} {{in "abc" 1}} {{in "" "a"}}`, want: "true true false false"},
		{text: `{{in .ints 2}} {{in .ints (parseInt "2")}} {{in .ints 2.0}} {{in .ints (parseUint "2")}} {{in .ints "2"}}`, want: "true true false false false"},
		{text: `{{in .json "a"}} {{in .json 1.0}} {{in .json 1}} {{in .json true}} {{in .array 1}} {{in .array "a"}}`, want: "true true false false true true"},
		{text: `{{in .named "a"}} {{in .errors "a"}} {{in .bytes 97}}`, want: "false false false"},
		{text: `{{in nil "a"}} {{in 7 7}} {{in (sprig_dict "a" 1) "a"}} {{in .ints nil}} {{in nil nil}}`, want: "false false false false false"},
		{text: `{{in .tags nil}}`, err: "in: cannot look for nil in strings"},
		{text: `{{in "abc" nil}}`, err: "in: cannot look for nil in strings"},
		{text: `{{contains nil .json}}`, err: "contains: cannot look for nil in strings"},
	})
}

func TestContainsEach(t *testing.T) {
	all := func(needles, list string) string {
		args := " (" + needles + ") " + list
		return `{{containsAll` + args + `}} {{containsAny` + args + `}} {{containsNone` + args + `}} {{containsNotAll` + args + `}}`
	}
	data := map[string]any{"tags": []string{"a", "b"}}
	checkHelpers(t, data, []helperCase{
		{text: all(`sprig_list "a" "b"`, ".tags"), want: "true true false false"},
		{text: all(`sprig_list "a" "x"`, ".tags"), want: "false true false true"},
		{text: all(`sprig_list "x" "y"`, ".tags"), want: "false false true true"},
		{text: all(`sprig_list`, ".tags"), want: "true false true false"},
		{text: all(`sprig_list "a"`, "nil"), want: "false false true true"},
		{text: all(`parseJSON "[1]"`, ".tags"), want: "false false true true"},
		{text: all(`sprig_list "b" "c"`, `"abc"`), want: "true true false false"},
		{text: `{{containsAll nil .tags}}{{containsAny nil .tags}}`, want: "truefalse"},
		{text: `{{containsAll .tags .tags}}`, err: "wrong type for value; expected []interface {}; got []string"},
		{text: `{{containsAny (sprig_list nil) .tags}}`, err: "containsAny: cannot look for nil in strings"},
		{text: `{{containsAny (sprig_list "a" nil) .tags}}`, want: "true"},
	})
}
