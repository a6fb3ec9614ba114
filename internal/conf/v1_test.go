package conf

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
)

// v1Cases are texts, and what github.com/hashicorp/hcl v1.0.1-vault-7, the one of
// consul-template v0.41.1, decodes into a map[string]any, printed as JSON. There a
// block is a list of one map.
var v1Cases = []struct{ src, want string }{
	// Names, blocks and values.
	{`"template" { source = "a" }`, `{"template":[{"source":"a"}]}`},
	{`"consul" = { address = "a" }`, `{"consul":[{"address":"a"}]}`},
	{"a\n{\nb\n=\n\"c\"\n}\nd =\n[\n1\n]", `{"a":[{"b":"c"}],"d":[1]}`},
	{"a = {\n} b {} c = [] d = { e {} }", `{"a":[{}],"b":[{}],"c":[],"d":[{"e":[{}]}]}`},
	{`a.b = 1 a-b = 2 _c = 3 é = 4 "x y" = 5 "${"}" = 6`, `{"${\"}":6,"_c":3,"a-b":2,"a.b":1,"x y":5,"é":4}`},
	{`a = 1 b = "c" d { e = true f = false } g = [1, 2]`, `{"a":1,"b":"c","d":[{"e":true,"f":false}],"g":[1,2]}`},
	{`a { b = 1, c = 2, } d = { e = 3, }, f = 4`, `{"a":[{"b":1,"c":2}],"d":[{"e":3}],"f":4}`},
	{"a = [1, 2,] b = [,1,,2] c = [\n1 # one\n, // two\n2\n]", `{"a":[1,2],"b":[1,2],"c":[1,2]}`},
	{`a = [{ b = 1 }, { b = 2 }] c = [[1], ["d"]]`, `{"a":[{"b":1},{"b":2}],"c":[[1],["d"]]}`},
	{`a = [1, "b", true, 1.5, [2], { c = 3 }]`, `{"a":[1,"b",true,1.5,[2],{"c":3}]}`},
	// What is set twice.
	{`a = "b" a = "c" a = "d"`, `{"a":"d"}`},
	{`a = [1] a = [2]`, `{"a":[1,2]}`},
	{`a { b = 1 } a { c = 2 } a = { d = 3 }`, `{"a":[{"b":1},{"c":2},{"d":3}]}`},
	{"a = [{ b = 1 }, { b = 2 }]\na { b = 3 }", `{"a":[{"b":1},{"b":2},{"b":3}]}`},
	{`a { b { c = 1 } b { d = 2 } }`, `{"a":[{"b":[{"c":1},{"d":2}]}]}`},
	// Labels.
	{`a "b" { c = 1 } a d {} a "b" { e = 2 }`, `{"a":[{"b":[{"c":1}]},{"d":[{}]},{"b":[{"e":2}]}]}`},
	{`a { b "c" { d = 1 } b "e*" { d = 2 } }`, `{"a":[{"b":[{"c":[{"d":1}]},{"e*":[{"d":2}]}]}]}`},
	{`a "b" "c" { d = 1 } e "" {} f "${"g"}" {}`, `{"a":[{"b":[{"c":[{"d":1}]}]}],"e":[{"":[{}]}],"f":[{"${\"g\"}":[{}]}]}`},
	{`a = { "b" = { c = 1 } }`, `{"a":[{"b":[{"c":1}]}]}`},
	// Numbers and truth values.
	{`a = 0x1F b = 010 c = -5 d = 0 e = 00 f = -0x1f g = 0X1a`, `{"a":31,"b":8,"c":-5,"d":0,"e":0,"f":-31,"g":26}`},
	{`a = 1.5 b = 1e3 c = 1.5e-3 d = 2E+2 e = .5 f = -0.5 g = 1. h = 5.0`, `{"a":1.5,"b":1000,"c":0.0015,"d":200,"e":0.5,"f":-0.5,"g":1,"h":5}`},
	{`a = true b = "true" c = "1"`, `{"a":true,"b":"true","c":"1"}`},
	// Comments, white space, line ends.
	{"# a\n// b\n/* c */ d { /* e */ f /* g */ = /* h */ 1 # i\n} /* j\nk */ l = 2 // m", `{"d":[{"f":1}],"l":2}`},
	{"/* a /* b */ c = 1 /**/ d = 2 # \" ${ { [\n e = 3 # the end", `{"c":1,"d":2,"e":3}`},
	{"a = 1\r\nb = <<E\r\nc\r\nd\r\nE\r\ne = 2\r\n", `{"a":1,"b":"c\nd\n","e":2}`},
	{"a = 1\rb = 2\r", `{"a":1,"b":2}`},
	{``, `{}`},
	{" \n\t", `{}`},
	{`# nothing`, `{}`},
	// Strings.
	{`a = "\x41\101\u0041\U00000041\u00e9\U0001F600é"`, `{"a":"AAAAé😀é"}`},
	{`a = "\a\b\f\n\r\t\v\\\""`, `{"a":"\u0007\b\f\n\r\t\u000b\\\""}`},
	{`a = "a	b" b = "" c = "#" d = "//" e = "{[,="`, `{"a":"a\tb","b":"","c":"#","d":"//","e":"{[,="}`},
	{`a = "echo ${x:-\"d\"}"`, `{"a":"echo ${x:-\\\"d\\\"}"}`},
	{`a = "echo ${x:-"d"}" b = 1`, `{"a":"echo ${x:-\"d\"}","b":1}`},
	{`a = "echo ${x:-{a}} ${y}" b = 1`, `{"a":"echo ${x:-{a}} ${y}","b":1}`},
	{`a = "${x:-\n}\n ${x:-'\\'} z"`, `{"a":"${x:-\\n}\n ${x:-'\\\\'} z"}`},
	{"a = \"${x:-\na}b\" b = 1", `{"a":"${x:-\na}b","b":1}`},
	{`a = "$${x} %{y} %%{z} $x ${} $ {w}"`, `{"a":"$${x} %{y} %%{z} $x ${} $ {w}"}`},
	{`a = "${a}${b} \"${c}\"" d = "${" }" e = "${a \" b}"`, `{"a":"${a}${b} \"${c}\"","d":"${\" }","e":"${a \\\" b}"}`},
	{`a = "\\${x\\}"`, `{"a":"\\${x\\\\}"}`},
	{`a = "{{ key \"a\" }} awk '{print $1}' ${y}"`, `{"a":"{{ key \"a\" }} awk '{print $1}' ${y}"}`},
	// Texts of several lines.
	{"a = <<EOT\n  b\n    c\n  EOT\n", `{"a":"  b\n    c\n  "}`},
	{"a = <<EOT\nb\n\tEOT\nc = 1", `{"a":"b\n\t","c":1}`},
	{"a = <<-EOT\n  b\n    c\n  EOT\n", `{"a":"b\n  c\n"}`},
	{"a = <<-EOT\n b\n    c\n  EOT\n", `{"a":" b\n    c\n"}`},
	{"a = <<-EOT\n    b\n\n    c\n    EOT\n", `{"a":"    b\n\n    c\n"}`},
	{"a = <<-EOT\n\tb\n\n\tc ${x}\"q\" $${y} %{z} \\n \\x\n\tEOT\n", `{"a":"\tb\n\n\tc ${x}\"q\" $${y} %{z} \\n \\x\n"}`},
	{"a = <<-EOT\n  EOT\nb = 1", `{"a":"","b":1}`},
	{"a = <<EOT\nEOT\nb = 1", `{"a":"","b":1}`},
	{"a = <<EOT\nb\nEOT \nEOTX\nxEOT\n\"EOT\"\nEOT\n", `{"a":"b\nEOT \nEOTX\nxEOT\n\"EOT\"\n"}`},
	{"a = [<<EOT\nb\nEOT\n, \"c\"]", `{"a":["b\n","c"]}`},
	{"a = [<<EOT\nEOT, \"b\"]\nEOT\n, <<X\nc\nX\n]", `{"a":["EOT, \"b\"]\n","c\n"]}`},
	{"a { b = <<é_1\nc\né_1\n}", `{"a":[{"b":"c\n"}]}`},
	// JSON.
	{`{"a": {"b": "c"}, "d": [{"e": 1}, {"e": 2, "f": {"g": 3}}]}`, `{"a":[{"b":"c"}],"d":[{"e":1},{"e":2,"f":[{"g":3}]}]}`},
	{`{"a": [{"b": "c", "d": [{"e": "x"}]}]}`, `{"a":[{"b":"c","d":[{"e":"x"}]}]}`},
	{`{"a": {"b": 1}, "a": {"c": 2}}`, `{"a":[{"b":1},{"c":2}]}`},
	{`{"a": "x", "a": "b", "c": [1], "c": [2]}`, `{"a":"b","c":[1,2]}`},
	{`{"a": "b",}`, `{"a":"b"}`},
	{`{"a": [{"b": 1},], "c": [1,], "d": [1,,2], "e": [,1],}`, `{"a":[{"b":1}],"c":[1],"d":[1,2],"e":[1]}`},
	{`{"a": {}, "b": [], "c": [{}], "d": {},}`, `{"a":[{}],"b":[],"c":[{}],"d":[{}]}`},
	{`{"a": "\x41\101\u0041\a\v\b\f\n\r\t\\\""}`, `{"a":"AAA\u0007\u000b\b\f\n\r\t\\\""}`},
	{`{"a": "${x} %{y} ${x:-\"d\"}", "b": "a	b é"}`, `{"a":"${x} %{y} ${x:-\"d\"}","b":"a\tb é"}`},
	{`{"a": -5, "b": -0.5, "c": 1.5e-3, "d": 0, "e": 1E2, "f": .5, "g": 5.0}`, `{"a":-5,"b":-0.5,"c":0.0015,"d":0,"e":100,"f":0.5,"g":5}`},
	{" \n\t{\"a\": true, \"b\": false}\n", `{"a":true,"b":false}`},
	{"{\r\n\"a\": 1\r\n}", `{"a":1}`},
	{`a = {"b" = "c"}`, `{"a":[{"b":"c"}]}`},
	{`{}`, `{}`},
}

func TestTextsMeanWhatTheyMeanInV1(t *testing.T) {
	for _, tc := range v1Cases {
		v, err := Parse("a.hcl", []byte(tc.src))
		if err != nil {
			t.Errorf("%s\n%v", tc.src, err)
			continue
		}
		var got bytes.Buffer
		encoder := json.NewEncoder(&got)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(asV1(t, v)); err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSpace(got.String()); got != tc.want {
			t.Errorf("%s\n got %s\nwant %s", tc.src, got, tc.want)
		}
	}
}

// asV1 gives a value as v1 would decode it.
func asV1(t testing.TB, v Value) any {
	switch v.kind {
	case object:
		found := map[string][]Member{}
		for _, m := range v.Object {
			found[m.Name] = append(found[m.Name], m)
		}
		out := map[string]any{}
		for name, members := range found {
			v, err := combine(members, name)
			if err != nil {
				t.Fatal(err)
			}
			if out[name] = asV1(t, v); v.kind == object {
				out[name] = []any{out[name]}
			}
		}
		return out
	case list:
		items := []any{}
		for _, item := range v.List {
			items = append(items, asV1(t, item))
		}
		return items
	case truth:
		return v.Raw == "true"
	case number:
		if n, err := strconv.ParseInt(v.Raw, 0, 64); err == nil {
			return n
		}
		f, err := strconv.ParseFloat(v.Raw, 64)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	return v.Raw
}
