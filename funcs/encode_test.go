package funcs

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/ctmpl/ctmpl/watch"
)

func TestToJSON(t *testing.T) {
	data := map[string]any{"b": "<a>&\u2028", "a": []any{1, nil, 1e21}, "e": map[string]any{}}
	checkHelpers(t, data, []helperCase{
		{text: `{{toJSON .}}`, want: `{"a":[1,null,1e+21],"b":"\u003ca\u003e\u0026\u2028","e":{}}`},
		{text: `{{toUnescapedJSON .}}`, want: `{"a":[1,null,1e+21],"b":"<a>&\u2028","e":{}}`},
		{text: `{{toJSONPretty .}}`, want: "{\n  \"a\": [\n    1,\n    null,\n    1e+21\n  ],\n  \"b\": \"\\u003ca\\u003e\\u0026\\u2028\",\n  \"e\": {}\n}"},
		{text: `{{toUnescapedJSONPretty .e}} {{toUnescapedJSONPretty (sprig_list "&")}}`, want: "{} [\n  \"&\"\n]"},
		{text: `{{toJSON nil}} {{toJSON ""}} {{toJSON "a\n"}} {{toJSONPretty 1}}`, want: `null "" "a\n" 1`},
		{text: `{{toJSON (parseYAML "a: 1")}}`, err: "toJSON: json: unsupported type: map[interface {}]interface {}"},
		{text: `{{toJSONPretty (parseFloat "nan")}}`, err: "toJSONPretty: json: unsupported value: NaN"},
		{text: `{{toUnescapedJSON (loop 1)}}`, err: "toUnescapedJSON: json: unsupported type: <-chan int64"},
	})
}

func TestToYAML(t *testing.T) {
	data := map[string]any{"b": "true", "a": []any{1, nil, "x: y"}, "m": map[string]any{"k": "1"}, "e": []any{}}
	checkHelpers(t, data, []helperCase{
		{text: `{{toYAML .}}`, want: "a:\n- 1\n- null\n- 'x: y'\nb: \"true\"\ne: []\nm:\n  k: \"1\""},
		{text: `{{toYAML nil}} {{toYAML ""}} {{toYAML (sprig_dict)}} {{toYAML "a\nb\n"}}`, want: "null \"\" {} |\n  a\n  b"},
		{text: `{{parseYAML "1: a\n2001-01-01: b" | toYAML}}`, want: "1: a\n\"2001-01-01\": b"},
		{text: `{{toYAML (loop 1)}}`, err: "toYAML: cannot marshal type: <-chan int64"},
	})
}

func TestToTOML(t *testing.T) {
	// Version 1.6 of the library writes 1e+21 instead.
	data := map[string]any{"b": "x\"y", "a": []any{1, "z"}, "m": map[string]any{"k v": 1.0, "big": 1e21}, "t": []map[string]any{{"n": 1}}, "none": nil}
	checkHelpers(t, data, []helperCase{
		{text: `{{toTOML .}}`, want: "a = [1, \"z\"]\nb = \"x\\\"y\"\n\n[m]\n  big = 1000000000000000000000.0\n  \"k v\" = 1.0\n\n[[t]]\n  n = 1"},
		{text: `{{toTOML (sprig_dict)}}|`, want: "|"},
		{text: `{{toTOML nil}}`, err: "toTOML: want a map or a struct, got nil"},
		{text: `{{toTOML "x"}}`, want: `"x"`},
		{text: `{{toTOML (sprig_list (sprig_dict))}}`, err: "toTOML: toml: top-level values must be Go maps or structs"},
		{text: `{{toTOML (sprig_dict "l" (sprig_list nil))}}`, err: "toTOML: toml: cannot encode array with nil element"},
		{text: `{{toTOML (parseYAML "1: a")}}`, err: "toTOML: toml: cannot encode a map with non-string key type"},
	})
}

// What ctmpl adds to an instance is no part of what consul-template writes.
func TestEncodeInstance(t *testing.T) {
	data := map[string]any{"s": &watch.ServiceInstance{ID: "w1", Tags: []string{"a"}, Kind: "k", NodeDatacenter: "dc1", Namespace: "n", Partition: "p"}}
	checkHelpers(t, data, []helperCase{
		{
			text: `{{toJSON .s}}`,
			want: `{"Node":"","NodeID":"","NodeAddress":"","NodeTaggedAddresses":null,"NodeMeta":null,"ServiceMeta":null,"Address":"","ServiceTaggedAddresses":null,"ID":"w1","Name":"","Tags":["a"],"Checks":null,"Status":"","Port":0,"Weights":{"Passing":0,"Warning":0}}`,
		},
		{
			text: `{{toYAML .s}}`,
			want: "node: \"\"\nnodeid: \"\"\nnodeaddress: \"\"\nnodetaggedaddresses: {}\nnodemeta: {}\nservicemeta: {}\naddress: \"\"\nservicetaggedaddresses: {}\nid: w1\nname: \"\"\ntags:\n- a\nchecks: []\nstatus: \"\"\nport: 0\nweights:\n  passing: 0\n  warning: 0",
		},
	})
}

func TestTimestamp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // its clock starts on 2000-01-01 UTC
		time.Sleep(90 * time.Minute)
		checkHelpers(t, nil, []helperCase{
			{text: `{{timestamp}}`, want: "2000-01-01T01:30:00Z"},
			{text: `{{timestamp "unix"}}`, want: "946690200"},
			{text: `{{timestamp "Jan _2 15h MST"}}|{{timestamp ""}}`, want: "Jan  1 01h UTC|"},
			{text: `{{timestamp "a" "b"}}`, err: "timestamp: want at most 1 argument, got 2"},
		})
	})
}
