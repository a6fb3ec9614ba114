package funcs

import (
	"io"
	"os"
	"testing"
)

func TestSpew(t *testing.T) {
	data := map[string]any{"a": []any{1.5, nil}, "yaml": map[any]any{"b": 1, "a": 2, "c": 3, 4: 5}}
	checkHelpers(t, data, []helperCase{
		{text: `{{spew_sdump "a" 1}}`, want: "(string) (len=1) \"a\"\n(int) 1\n"},
		{text: `{{spew_sdump .a}}`, want: "([]interface {}) (len=2 cap=2) {\n (float64) 1.5,\n (interface {}) <nil>\n}\n"},
		{text: `{{spew_sdump}}|{{spew_sdump nil}}`, want: "|(interface {}) <nil>\n"},
		{text: `{{spew_sprintf "%v %#v %d" .a .a 3}}`, want: "[1.5 <nil>] ([]interface {})[(float64)1.5 (interface {})<nil>] 3"},
		{text: `{{spew_sprintf "%v" .yaml}}`, want: "map[4:5 a:2 b:1 c:3]"},
		{text: `{{spew_sprintf}}`, err: "wrong number of args for spew_sprintf: want at least 1 got 0"},
	})
}

func TestSpewWritesToStdout(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout := os.Stdout
	os.Stdout = w
	t.Cleanup(func() { os.Stdout = stdout })
	checkHelpers(t, nil, []helperCase{{text: `{{spew_dump 1}}|{{spew_printf "%v\n" "x"}}|`, want: "||"}})
	os.Stdout = stdout
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err != nil || string(got) != "(int) 1\nx\n" {
		t.Errorf("stdout has %q, error %v", got, err)
	}
}

func TestSockaddr(t *testing.T) {
	checkHelpers(t, nil, []helperCase{
		{text: `{{sockaddr "printf \"%d\" 3"}}|{{sockaddr "\"x\"" "|" "len"}}`, want: "3|1"},
		{text: `{{sockaddr "nope"}}`, err: `sockaddr: template: sockaddr.Parse:1: function "nope" not defined`},
		{text: `{{sockaddr}}`, err: "sockaddr: template: sockaddr.Parse:1: missing value for command"},
		{text: `{{sockaddr "GetAllInterfaces | include \"bad\" \"x\""}}`, err: `error calling include: invalid include selector "bad"`},
	})
}
