package funcs

import "testing"

func TestParseScalars(t *testing.T) {
	checkHelpers(t, nil, []helperCase{
		{text: `{{parseBool ""}} {{parseBool "t"}} {{parseBool "True"}} {{parseBool "0"}}`, want: "false true true false"},
		{text: `{{parseFloat ""}} {{parseFloat "1e3"}} {{parseFloat "inf"}} {{parseFloat "-.5"}}`, want: "0 1000 +Inf -0.5"},
		{text: `{{parseInt ""}} {{parseInt "-7"}} {{parseInt "+1"}} {{parseInt "007"}}`, want: "0 -7 1 7"},
		{text: `{{parseUint ""}} {{parseUint "18446744073709551615"}}`, want: "0 18446744073709551615"},
		{text: `{{printf "%T %T %T %T" (parseBool "") (parseFloat "") (parseInt "") (parseUint "")}}`, want: "bool float64 int64 uint64"},
		{text: `{{parseBool "yes"}}`, err: "parseBool: not a boolean (3 bytes)"},
		{text: `{{parseFloat "1,5"}}`, err: "parseFloat: not a number (3 bytes)"},
		{text: `{{parseFloat "1e400"}}`, err: "parseFloat: out of range of float64 (5 bytes)"},
		{text: `{{parseInt "x"}}`, err: "parseInt: not an integer (1 bytes)"},
		{text: `{{parseInt "0x10"}}`, err: "parseInt: not an integer (4 bytes)"},
		{text: `{{parseInt "9223372036854775808"}}`, err: "parseInt: out of range of int64 (19 bytes)"},
		{text: `{{parseUint "-1"}}`, err: "parseUint: not an unsigned integer (2 bytes)"},
		{text: `{{parseInt 1}}`, err: "expected string; found 1"},
	})
}

func TestParseJSON(t *testing.T) {
	checkHelpers(t, nil, []helperCase{
		{text: `{{parseJSON "" | printf "%#v"}}`, want: "map[string]interface {}{}"},
		{text: "{{with parseJSON `{\"a\":[1,2.5,{\"b\":null}],\"a \":true}`}}{{.}} {{index .a 0 | printf \"%T\"}}{{end}}", want: "map[a:[1 2.5 map[b:<nil>]] a :true] float64"},
		{text: `{{parseJSON " \"x\" "}} {{parseJSON "null" | printf "%v"}} {{parseJSON "[]" | len}}`, want: "x <nil> 0"},
		{text: `{{parseJSON " "}}`, err: "parseJSON: syntax error at byte 1 of 1"},
		{text: `{{parseJSON "{\"a\":x}"}}`, err: "parseJSON: syntax error at byte 6 of 7"},
		{text: `{{parseJSON "[1,2"}}`, err: "parseJSON: syntax error at byte 4 of 4"},
		{text: `{{parseJSON "[1e999]"}}`, err: "parseJSON: a number is out of range of float64 (7 bytes)"},
	})
}

func TestParseYAML(t *testing.T) {
	checkHelpers(t, nil, []helperCase{
		{text: `{{parseYAML "" | printf "%#v"}}`, want: "map[string]interface {}{}"},
		{text: `{{with parseYAML "a: {b: [1, 2.5, yes, ~]}\nc: 'x'"}}{{.}}{{.a.b | printf "%#v"}}{{end}}`, want: "map[a:map[b:[1 2.5 true <nil>]] c:x][]interface {}{1, 2.5, true, interface {}(nil)}"},
		{text: `{{parseYAML "a: 1" | printf "%T"}} {{parseYAML "1" | printf "%T"}} {{parseYAML "---" | printf "%v"}}`, want: "map[interface {}]interface {} int <nil>"},
		{text: `{{parseYAML "'null'" | printf "%q"}} {{parseYAML "0o14"}} {{parseYAML "014"}} {{parseYAML "12:30" | printf "%q"}}`, want: `"null" 12 12 "12:30"`},
		{text: `{{parseYAML "a: b: c"}}`, err: "parseYAML: mapping values are not allowed in this context (7 bytes)"},
		{text: `{{parseYAML "a:\n\tb: 1"}}`, err: "parseYAML: line 2: found character that cannot start any token (8 bytes)"},
		{text: `{{parseYAML "[a, b"}}`, err: "parseYAML: line 1: did not find expected ',' or ']' (5 bytes)"},
		{text: `{{parseYAML "a: *x"}}`, err: "parseYAML: unknown anchor (5 bytes)"},
		{text: `{{parseYAML "!!int x"}}`, err: "parseYAML: cannot decode !!str (7 bytes)"},
		{text: `{{parseYAML "[[1]: 2]"}}`, err: "parseYAML: invalid map key (8 bytes)"},
	})
}
