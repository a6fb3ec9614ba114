package funcs

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"text/template"

	"github.com/google/go-cmp/cmp"

	"github.com/ctmpl/ctmpl/watch"
)

// rig executes templates with all functions.
type rig struct {
	opt    Options
	ctx    context.Context
	trial  bool
	writes []FileWrite
}

func (r *rig) exec(text string, data any) (string, error) {
	x := &Execution{}
	tmpl, err := template.New("t").Option("missingkey=zero").Funcs(Map(x, r.opt)).Parse(text)
	if err != nil {
		return "", err
	}
	x.Context, x.Trial = r.ctx, r.trial
	x.Execute = func(name string, dot any) (string, error) {
		var b strings.Builder
		err := tmpl.ExecuteTemplate(&b, name, dot)
		return b.String(), err
	}
	x.Write = func(w FileWrite) error {
		r.writes = append(r.writes, w)
		return nil
	}
	var b strings.Builder
	err = tmpl.Execute(&b, data)
	return b.String(), err
}

func (r *rig) check(t *testing.T, data any, cases []helperCase) {
	t.Helper()
	r.ctx = t.Context()
	for _, c := range cases {
		got, err := r.exec(c.text, data)
		switch {
		case c.err != "" && (err == nil || !strings.HasSuffix(err.Error(), ": "+c.err)):
			t.Errorf("%s\n got %q, error %v\nwant error %s", c.text, got, err, c.err)
		case c.err == "" && (err != nil || got != c.want):
			t.Errorf("%s\n got %q, %v\nwant %q", c.text, got, err, c.want)
		}
	}
}

func TestScratch(t *testing.T) {
	t.Parallel()
	(&rig{}).check(t, map[string]any{"nilmap": map[string]any(nil)}, []helperCase{
		{text: `{{scratch.Set "a" 1}}{{scratch.Get "a"}} {{scratch.Key "a"}} {{scratch.Key "b"}} {{scratch.Get "b"}}`, want: "1 true false <no value>"},
		{text: `{{scratch.Set "a" nil}}{{scratch.Key "a"}}{{scratch.SetX "a" 1}}{{scratch.Get "a"}}`, want: "true<no value>"},
		{text: `{{scratch.SetX "a" 1}}{{scratch.SetX "a" 2}}{{scratch.Get "a"}}{{scratch.Set "a" 3}}{{scratch.Get "a"}}`, want: "13"},
		{text: `{{scratch.MapSet "m" "b" 1}}{{scratch.MapSet "m" "a" 2}}{{scratch.MapSetX "m" "a" 3}}{{scratch.MapSetX "m" "c" nil}}{{scratch.Get "m"}} {{scratch.MapValues "m"}}`, want: "map[a:2 b:1 c:<nil>] [2 1 <nil>]"},
		{text: `{{scratch.MapValues "none"}} {{scratch.Set "s" "x"}}{{scratch.MapValues "s"}} {{range scratch.MapValues "none"}}x{{else}}empty{{end}}`, want: "[] [] empty"},
		{text: `{{scratch.Set "m" (parseJSON "{\"a\":1}")}}{{scratch.MapSet "m" "b" 2}}{{(scratch.Get "m").b}}`, want: "2"},
		{text: `{{define "x"}}{{scratch.Set "n" .}}{{end}}{{template "x" 5}}{{scratch.Get "n"}}{{executeTemplate "x" 6}}{{scratch.Get "n"}}`, want: "56"},
		{text: `{{range loop 3}}{{scratch.MapSet "m" (print .) .}}{{end}}{{len (scratch.Get "m")}}`, want: "3"},
		{text: `{{scratch.Set "s" "x"}}{{scratch.MapSet "s" "a" 1}}`, err: `scratch.MapSet: the value of "s" is not a map, but string`},
		{text: `{{scratch.Set "s" nil}}{{scratch.MapSetX "s" "a" 1}}`, err: `scratch.MapSetX: the value of "s" is not a map, but <nil>`},
		{text: `{{scratch.Set "s" .nilmap}}{{scratch.MapSet "s" "a" 1}}`, err: `scratch.MapSet: the value of "s" is a nil map`},
		{text: `{{scratch.Get 1}}`, err: "expected string; found 1"},
		{text: `{{scratch.MapSet "m" "a" 1}}{{scratch.MapSet "m" "self" (scratch.Get "m")}}`, err: `scratch.MapSet: "m": the map would hold itself`},
	})
}

func TestScratchIsFreshForEachExecution(t *testing.T) {
	t.Parallel()
	r := &rig{}
	for range 2 {
		r.check(t, nil, []helperCase{{text: `{{scratch.Key "a"}}{{scratch.Set "a" 1}}`, want: "false"}})
	}
}

func TestExecuteTemplate(t *testing.T) {
	t.Parallel()
	const define = `{{define "x"}}<{{.}}>{{end}}`
	(&rig{}).check(t, nil, []helperCase{
		{text: define + `{{executeTemplate "x"}}{{executeTemplate "x" 1 | toUpper}}{{"d" | executeTemplate "x"}}`, want: "<<no value>><1><d>"},
		{text: `{{define "x"}}  a {{end}}{{with executeTemplate "x" | trimSpace}}{{.}}{{end}}`, want: "a"},
		{text: define + `{{executeTemplate "x" 1 2}}`, err: "executeTemplate: want 1 or 2 arguments, got 3"},
		{text: `{{executeTemplate}}`, err: "wrong number of args for executeTemplate: want at least 1 got 0"},
	})
}

// A map that holds itself would end the process as soon as it is printed.
func TestMapsCannotHoldThemselves(t *testing.T) {
	t.Parallel()
	const holds = "the map would hold itself"
	(&rig{}).check(t, nil, []helperCase{
		{text: `{{$d := dict "a" 1}}{{set $d "self" $d}}`, err: "set: " + holds},
		{text: `{{$d := dict "a" 1}}{{sprig_set $d "l" (list 1 (list $d))}}`, err: "set: " + holds},
		{text: `{{$d := dict "a" 1}}{{$e := dict "d" $d}}{{$_ := set $d "e" $e}}`, err: "set: " + holds},
		{text: `{{$d := parseYAML "a: {}" }}{{$e := dict "y" $d}}{{$_ := set $e "b" (dict "e" $e)}}`, err: "set: " + holds},
		{text: `{{$d := dict}}{{$e := dict}}{{scratch.Set "d" $d}}{{scratch.MapSet "d" "e" $e}}{{$_ := set $e "d" $d}}`, err: "set: " + holds},
		{text: `{{$d := dict "a" 1}}{{$e := dict}}{{range loop 3}}{{$_ := set $e (print .) $d}}{{end}}{{$e}}`, want: "map[0:map[a:1] 1:map[a:1] 2:map[a:1]]"},
		// Merging takes copies, so these hold what there was before.
		{text: `{{$d := dict "a" 1}}{{$_ := merge $d (dict "self" $d)}}{{toYAML $d}}`, want: "a: 1\nself:\n  a: 1"},
		{text: `{{$d := dict "a" 1}}{{$_ := mustMergeOverwrite $d (dict "self" $d)}}{{toTOML $d}}`, want: "a = 1\n\n[self]\n  a = 1"},
		{text: `{{$d := parseJSON "{\"x\":{}}"}}{{$_ := mergeMap $d (dict "x" $d)}}{{$d}}`, want: "map[x:map[x:map[]]]"},
		{text: `{{$d := dict "x" (dict)}}{{$_ := mergeMapWithOverride $d (dict "x" $d)}}{{$d}}`, want: "map[x:map[x:map[]]]"},
	})
}

// What merging changes are the maps of the template, not the answers in the store.
func TestMergingLeavesAnswersAlone(t *testing.T) {
	t.Parallel()
	fresh := func() map[string]any {
		return map[string]any{
			"a": &watch.ServiceInstance{ID: "a", ServiceMeta: map[string]string{"k": "a"}},
			"b": &watch.ServiceInstance{ID: "b", Node: "node", ServiceMeta: map[string]string{"k": "b", "l": "b"}},
		}
	}
	for _, fn := range []string{"mergeMap", "mergeMapWithOverride", "merge", "mergeOverwrite", "mustMerge", "sprig_mustMergeOverwrite"} {
		for _, text := range []string{
			`{{$d := dict "m" .a.ServiceMeta}}{{$_ := FN $d (dict "m" .b.ServiceMeta)}}{{$d}}`,
			`{{$d := dict "m" (dict "n" .a.ServiceMeta)}}{{$_ := FN $d (dict "m" (dict "n" .b.ServiceMeta))}}`,
			`{{$d := dict "s" .a}}{{$_ := FN $d (dict "s" .b)}}`,
			`{{$d := dict}}{{$_ := FN $d (dict "m" .a.ServiceMeta)}}{{$_ := FN $d (dict "m" .b.ServiceMeta)}}`,
			`{{$d := dict}}{{$_ := FN $d (dict "s" .a)}}{{$_ := FN $d (dict "s" .b)}}`,
			`{{$d := dict "b" (byTag nil)}}{{$_ := FN $d (dict "b" (dict))}}`,
		} {
			text = strings.ReplaceAll(text, "FN", fn)
			data := fresh()
			if _, err := (&rig{ctx: t.Context()}).exec(text, data); err != nil {
				t.Logf("%s: %v", text, err)
			}
			if diff := cmp.Diff(fresh(), data); diff != "" {
				t.Errorf("%s changed an answer:\n%s", text, diff)
			}
		}
	}
}

// One number that is too large is an error, not all memory.
func TestHugeResultsAreErrors(t *testing.T) {
	t.Parallel()
	(&rig{}).check(t, strings.Repeat("x\n", 10000), []helperCase{
		{text: `{{repeat 1000000000 "ab"}}`, err: "repeat: the result would have more than 256 MiB"},
		{text: `{{sprig_repeat 1000000000 "ab"}}`, err: "repeat: the result would have more than 256 MiB"},
		{text: `{{repeat 3 "ab"}}{{repeat 1000000000 ""}}{{repeat 0 "a"}}`, want: "ababab"},
		{text: `{{indent 65000 .}}`, err: "indent: the result would have more than 256 MiB"},
		{text: `{{sprig_indent 1000000000 "x"}}`, err: "indent: the result would have more than 256 MiB"},
		{text: `{{nindent 1000000000 "x"}}`, err: "nindent: the result would have more than 256 MiB"},
		{text: `{{nindent 2 "x\ny"}}`, want: "\n  x\n  y"},
		{text: `{{until 1000000000}}`, err: "until: more than 8388608 numbers"},
		{text: `{{untilStep 0 -1000000000 -2}}`, err: "untilStep: more than 8388608 numbers"},
		{text: `{{untilStep 0 1000000000 100000000 | len}}{{untilStep 0 9 0}}{{until 2}}{{until -2}}`, want: "10[][0 1][0 -1]"},
		{text: `{{seq 1000000000}}`, err: "seq: more than 8388608 numbers"},
		{text: `{{seq -1000000000 9}}`, err: "seq: more than 8388608 numbers"},
		{text: `{{seq 0 1 1000000000}}`, err: "seq: more than 8388608 numbers"},
		{text: `{{seq 0 0 5}}|{{seq}}|{{seq 3}}|{{seq 5 3}}|{{seq 0 5 10}}`, want: "||1 2 3|5 4 3|0 5 10"},
	})
}

func TestTrialLeavesNoTrace(t *testing.T) {
	t.Parallel()
	r := &rig{trial: true}
	file := t.TempDir() + "/ran"
	r.check(t, file, []helperCase{{text: `{{plugin "touch" .}}{{spew_dump 1}}{{spew_printf "%v" 1}}`, want: ""}})
	if _, err := os.Stat(file); err == nil {
		t.Error("the plugin was run")
	}
}

func TestDeniedFunctionsOfExecution(t *testing.T) {
	t.Parallel()
	r := &rig{opt: Options{Denied: []string{"plugin", "writeTo*", "scratch"}}, ctx: t.Context()}
	for _, text := range []string{`{{plugin "true"}}`, `{{writeToFile "x" "" "" "0644" "c"}}`, `{{scratch.Get "x"}}`} {
		if _, err := r.exec(text, nil); !errors.Is(err, errDenied) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
