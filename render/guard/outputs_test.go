package guard_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ctmpl/ctmpl/render/guard"
)

func TestEmptyOutput(t *testing.T) {
	t.Parallel()
	full := []byte("server {}\n")
	for name, tc := range map[string]struct {
		old, output outputs
		want        []string
	}{
		"nothing":               {outputs{"a": full}, outputs{"a": nil}, []string{"the output would be empty"}},
		"white space, comments": {outputs{"a": full}, outputs{"a": []byte(" \r\n\t# comment {}\n#\n")}, []string{"the output would be empty"}},
		"no end of line":        {outputs{"a": full}, outputs{"a": []byte("# x\n;")}, nil},
		"a comment behind":      {outputs{"a": full}, outputs{"a": []byte("a; # x")}, nil},
		"it was empty":          {outputs{"a": []byte("# x\n")}, outputs{"a": nil}, nil},
		"there was none":        {nil, outputs{"a": nil}, nil},
		"another file is empty": {outputs{"a": full, "b": nil}, outputs{"a": full, "b": nil}, nil},
		"one of two":            {outputs{"a": full, "b": full}, outputs{"a": full, "b": nil}, []string{"outputs would be empty: b"}},
		"many": {outputs{"a": full, "b": full, "c": full, "d": full, "e\n": full, "f": full, "g": full},
			outputs{"a": nil, "b": nil, "c": nil, "d": nil, "e\n": nil, "f": nil, "g": nil}, []string{`outputs would be empty: "e\n", a, b, c, d and 2 more outputs`}},
		"not written any more": {outputs{"a": full, "b": full}, outputs{"a": full}, nil},
	} {
		got := guard.Limits{}.Check(live(nil), guard.Facts{}, nil, tc.old, tc.output)
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
		if got := (guard.Limits{AllowEmpty: true}).Check(live(nil), guard.Facts{}, nil, tc.old, tc.output); len(got) > 0 {
			t.Errorf("%s, though it may be empty: %q", name, got)
		}
	}
}

func TestChangedLines(t *testing.T) {
	t.Parallel()
	limits := guard.Limits{MaxChangeLines: 2}
	lines := func(text string) outputs {
		return outputs{"x": []byte(strings.ReplaceAll(text, " ", "\n"))}
	}
	for name, tc := range map[string]struct {
		old, output string
		want        []string
	}{
		"none":              {"a b c", "a b c", nil},
		"another order":     {"a b c d e", "e d c b a", nil},
		"no last newline":   {"a b c ", "a b c", nil},
		"one for another":   {"a b c", "a x c", nil},
		"three":             {"a b c", "a x c d", []string{"3 lines would change (2 added, 1 removed, max_change_lines 2)"}},
		"the same one more": {"a a a", "a a a a a a", []string{"3 lines would change (3 added, 0 removed, max_change_lines 2)"}},
		"it was empty":      {"#", "a b c d", nil},
	} {
		got := limits.Check(live(nil), guard.Facts{}, nil, lines(tc.old), lines(tc.output))
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
	two := func(a, b string) outputs { return outputs{"a": []byte(a), "b": []byte(b)} }
	want := []string{"4 lines would change (2 added, 2 removed, max_change_lines 2)"}
	if diff := cmp.Diff(want, limits.Check(live(nil), guard.Facts{}, nil, two("1\n", "1\n"), two("2\n", "2\n"))); diff != "" {
		t.Errorf("all files together (-want +got)\n%s", diff)
	}
}
