package render

import (
	"errors"
	"strings"
	"testing"

	"github.com/ctmpl/ctmpl/watch"
)

func mustParse(t *testing.T, text string) *Template {
	t.Helper()
	tmpl, err := Parse("test.tmpl", text, Syntax{})
	if err != nil {
		t.Fatal(err)
	}
	return tmpl
}

func keyQuery(name string) watch.Query { return watch.Query{Kind: watch.KindKey, Name: name} }

func TestErrorsNameThePlace(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ text, want string }{
		{"a\n  {{ servce \"web\" }}\n", `test.tmpl:2:6: function "servce" not defined: did you mean "service"?: in the line: {{ servce "web" }}`},
		{"{{ zzzzzzzzz }}", `test.tmpl:1:4: function "zzzzzzzzz" not defined: in the line: {{ zzzzzzzzz }}`},
		{`{{ with secret "a/b" }}x{{ end }}`, `test.tmpl:1:9: function "secret" of consul-template is not supported yet`},
		{"ü {{ keyy \"x\" }}", `test.tmpl:1:6: function "keyy" not defined: did you mean "key"?`},
		{"{{ if }}x{{ end }}", "test.tmpl:1:1: missing value for if"},
		{"x\n{{ range services }}\n", "test.tmpl:3:1: unexpected EOF"},
		{"a {{ end }}", "test.tmpl:1:3: unexpected {{end}}"},
		{"a {{ \"x }}", "test.tmpl:1:3: unterminated quoted string"},
		{"a {{ $x }}", `test.tmpl:1:6: undefined variable "$x"`},
		{"a\nb {{ 1 | 2 }}", "test.tmpl:2:3: non executable command in pipeline stage 2"},
		{"a\n  {{ index 1 2 }}", "test.tmpl:2:6: <index 1 2>: error calling index: can't index item of type int: in the line: {{ index 1 2 }}"},
		{"{{ range services }}{{ end }}{{ add 1 \"x\" }}", "test.tmpl:1:33: <add 1 \"x\">: error calling add:"},
		{"{{ service 5 }}", "test.tmpl:1:12: <5>: expected string; found 5"},
		{"{{ service \"a b\" }}", `cannot read "a b": want [tag.]name`},
		{"{{ divide 0 1 }}", "divide"},
		{"{{ define \"x\" }}{{ index 1 2 }}{{ end }}\n{{ template \"x\" }}", "test.tmpl:1:20: executing \"x\" at <index 1 2>"},
		{"{{ template \"nosuch\" }}", `"nosuch"`},
	} {
		t.Run(tc.text, func(t *testing.T) {
			store := watch.NewStore()
			store.Put(watch.Query{Kind: watch.KindServices}, []*watch.ServiceSummary{})
			tmpl, err := Parse("test.tmpl", tc.text, Syntax{})
			if err == nil {
				_, err = tmpl.Execute(t.Context(), store)
			}
			var placed *Error
			if !errors.As(err, &placed) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got  %v\nwant %s", err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
		})
	}
}

func TestErrorsHoldNoSecret(t *testing.T) {
	t.Parallel()
	store := watch.NewStore()
	store.Put(keyQuery("password"), "s3cret value")
	store.Put(keyQuery("json"), `{"password": "s3cret-in-json", "n": 1}`)
	store.Put(keyQuery("quotes"), "s3cr\"et\\s3cret")
	store.Put(keyQuery("longer"), "s3cret value-and-more")
	store.Put(watch.Query{Kind: watch.KindPrefix, Name: "p"}, []*watch.KeyPair{{Key: "k", Value: "hidden\nin-lines"}})
	store.Put(watch.Query{Kind: watch.KindLookup, Name: "l"}, watch.Lookup{Found: true, Value: "also-s3cret"})
	for _, text := range []string{
		`{{ key "password" | fail }}`,
		`{{ keyOrDefault "l" "x" | sprig_fail }}`,
		`{{ range ls "p" }}{{ .Value | fail }}{{ end }}`,
		`{{ with key "json" | parseJSON }}{{ fail .password }}{{ end }}`,
		`{{ key "quotes" | mustToDate "2006" }}`,
		`{{ key "quotes" | urlParse }}{{ fail "x" }}`,
		`{{ with key "json" | parseJSON }}{{ sockaddr .password }}{{ end }}`,
		`{{ key "password" | toUpper | fail }}`,
		`{{ key "password" }}{{ key "longer" | service }}`,
		`{{ key "quotes" | service }}`,
		`{{ key "password" | node }}`,
	} {
		_, err := mustParse(t, text).Execute(t.Context(), store)
		if err == nil {
			t.Errorf("%s: no error", text)
			continue
		}
		for _, secret := range []string{"s3cr", "S3CR", "hidden", "in-lines", "and-more"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: the error holds the value: %v", text, err)
			}
		}
	}
}

func TestRedactionKeepsThePlace(t *testing.T) {
	t.Parallel()
	store := watch.NewStore()
	for _, value := range []string{"nginx", "template", "error", "red", "index"} {
		store.Put(keyQuery("k"), value)
		tmpl, err := Parse("nginx.conf.tmpl", "\n{{ key \"k\" }}{{ index 1 2 }}", Syntax{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tmpl.Execute(t.Context(), store); err == nil || !strings.HasPrefix(err.Error(), "nginx.conf.tmpl:2:17: <index 1 2>: error calling index: ") {
			t.Errorf("%s: got %v", value, err)
		}
	}
}

func TestReadsAreTracked(t *testing.T) {
	t.Parallel()
	store := watch.NewStore()
	tmpl := mustParse(t, `{{ if keyExists "a" }}{{ key "b" }}{{ else }}{{ key "c" }}{{ end }}{{ index (ls "d") 0 }}`)
	a := watch.Query{Kind: watch.KindLookup, Name: "a"}

	r, err := tmpl.Execute(t.Context(), store)
	if err != nil {
		t.Fatalf("an error while answers are missing: %v", err)
	}
	if _, ok := r.Missing[a]; !ok || r.Output != nil {
		t.Errorf("got %+v", r)
	}
	if _, ok := r.Missing[keyQuery("c")]; !ok {
		t.Errorf("the other branch: got %+v", r)
	}

	store.Put(a, watch.Lookup{Found: true})
	r, _ = tmpl.Execute(t.Context(), store)
	if _, ok := r.Missing[keyQuery("b")]; !ok || len(r.Used) != 1 {
		t.Errorf("after an answer: got %+v", r)
	}
}

func TestSafePrefixesRefuseEmptyAnswers(t *testing.T) {
	t.Parallel()
	store := watch.NewStore()
	q := watch.Query{Kind: watch.KindPrefix, Name: "p"}
	store.Put(q, []*watch.KeyPair{})
	tmpl := mustParse(t, `{{ range safeLs "p" }}{{ .Key }}{{ end }}`)
	r, err := tmpl.Execute(t.Context(), store)
	if rev, ok := r.Missing[q]; err != nil || !ok || rev == 0 {
		t.Errorf("got %+v, %v", r, err)
	}
	store.Put(q, []*watch.KeyPair{{Key: "x"}})
	if r, err = tmpl.Execute(t.Context(), store); string(r.Output) != "x" || err != nil {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestDelimitersAndMissingKeys(t *testing.T) {
	t.Parallel()
	store := watch.NewStore()
	tmpl, err := Parse("t", `<< "a" >> {{ b }}`, Syntax{Left: "<<", Right: ">>"})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := tmpl.Execute(t.Context(), store); string(r.Output) != "a {{ b }}" || err != nil {
		t.Errorf("got %q, %v", r.Output, err)
	}
	tmpl, err = Parse("t", `{{ (parseJSON "{}").a }}`, Syntax{FailOnMissingKey: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tmpl.Execute(t.Context(), store); err == nil {
		t.Error("no error for a missing key")
	}
}

func TestEmptyOutputIsOutput(t *testing.T) {
	t.Parallel()
	r, err := mustParse(t, "").Execute(t.Context(), watch.NewStore())
	if err != nil || r.Output == nil || len(r.Output) != 0 {
		t.Errorf("got %#v, %v", r.Output, err)
	}
}
