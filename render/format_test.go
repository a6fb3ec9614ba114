package render

import (
	"strings"
	"testing"

	"github.com/ctmpl/ctmpl/funcs"
	"github.com/ctmpl/ctmpl/watch"
)

var webQuery = watch.Query{Kind: watch.KindService, Name: "web", Params: "filter=passing"}

// hostileStore has values that could do harm beside such that could not.
func hostileStore() *watch.Store {
	store := watch.NewStore()
	store.Put(webQuery, []*watch.ServiceInstance{
		{Node: "n1", ID: "web-1", Name: "web", Address: "10.0.0.1", Port: 80, Tags: []string{"a", "b"}, ServiceMeta: map[string]string{"weight": "5"}},
		{Node: "n2", ID: "web-2", Name: "web", Address: "10.0.0.2", Port: 80, Tags: []string{"c;d"}, ServiceMeta: map[string]string{"weight": "1; evil"}},
	})
	for key, value := range map[string]string{
		"good": "plain", "bad": "x; s3cret", "json": `{"n": 7, "f": 1.5, "s": "a b", "l": ["x"], "z": null, "colon": 59}`, "sep": ";", "empty": "", "bad;\nname": "y{z",
	} {
		store.Put(keyQuery(key), value)
	}
	store.Put(watch.Query{Kind: watch.KindPrefix, Name: "p"}, []*watch.KeyPair{{Path: "p/one", Key: "one", Value: "1"}, {Path: "p/two", Key: "two", Value: "2 s3cret"}})
	store.Put(watch.Query{Kind: watch.KindServices}, []*watch.ServiceSummary{{Name: "we{b", Tags: []string{"t"}}})
	store.Put(watch.Query{Kind: watch.KindNode, Name: "n1"}, &watch.NodeDetail{
		Node: &watch.Node{Node: "n1", Address: "10.0.0.1"}, Services: []*watch.NodeService{{ID: "db-1", Service: "db", Meta: map[string]string{"m": "x'y"}}},
	})
	return store
}

func nginxTemplate(t testing.TB, text string) *Template {
	t.Helper()
	tmpl, err := Parse("t.tmpl", text, Syntax{Format: FormatNginx})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return tmpl
}

// What passes prints the same bytes as without the format.
func TestFormatLetsHarmlessValuesPass(t *testing.T) {
	t.Parallel()
	store := hostileStore()
	for _, text := range []string{
		`{{ range service "web" }}server {{ .Address }}:{{ .Port }}; {{ end }}`,
		`{{ with index (service "web") 0 }}{{ printf "%s:%d" .Address .Port }}{{ printf "server %s:%d weight=%v; %% " .Address .Port .ServiceMeta.weight }}{{ .Port }}{{ end }}`,
		`{{ with index (service "web") 0 }}{{ join ", ;" .Tags }}{{ .Tags | join " " }}{{ .Address | printf "a %s;" }}{{ end }}`,
		`{{ "text; {" }}{{ ("a b") }}{{ 1 }}{{ true }}{{ $x := ";" }}{{ $x = key "bad" }}{{/* c */}}`,
		`{{ with key "json" | parseJSON }}{{ .n }} {{ .f }} {{ index .l 0 }}{{ if .z }}{{ .s }}{{ else if .n }}{{ len .s }}{{ end }}{{ end }}`,
		`{{ with key "empty" }}{{ . }}{{ else with key "good" }}{{ . }}{{ else }}{{ key "bad" }}{{ end }}`,
		`{{ range ls "p" }}{{ if eq .Key "two" }}{{ break }}{{ else }}{{ .Value }}{{ continue }}{{ end }}{{ end }}`,
		`{{ define "s" }}server { {{ . }}; }{{ end }}{{ template "s" 1 }}{{ executeTemplate "s" 2 }}{{ executeTemplate "s" 3 | indent 2 }}{{ indent 2 (executeTemplate "s" 4) | trimSpace }}`,
		`{{ block "b" (key "good") }}[ {{ . }} ]{{ end }}{{ $s := executeTemplate "b" "x" }}{{ if eq $s "[ x ]" }}{{ raw $s }}{{ end }}`,
		`{{ raw (key "bad") }}{{ key "bad" | raw }}{{ printf "<%s %-9v>" (raw "; ") (raw ";") }}`,
		`{{ range service "web" }}{{ nginxServer . }}{{ end }}{{ nginxHeader (key "bad") }}{{ with nginxString (key "sep") }}{{ . }}{{ end }}`,
		`{{ $w := nginxWeights (service "web") }}{{ range $i, $s := service "web" }} {{ index $w $i }}{{ end }}`,
		`{{ scratch.Set "a" (key "bad") }}{{ key "empty" }}{{ configVersion }}`,
		`{{ if true }}{{ key "good" }}{{ end }}{{ with $v := key "good" }}{{ $v }}{{ . }}{{ end }}`,
	} {
		want, err := mustParse(t, text).Execute(t.Context(), store)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := nginxTemplate(t, text).Execute(t.Context(), store); err != nil || string(got.Output) != string(want.Output) && want.Version == "" {
			t.Errorf("%s\ngot  %q, %v\nwant %q", text, got.Output, err, want.Output)
		}
	}
}

func TestFormatRefusesHarmfulValues(t *testing.T) {
	t.Parallel()
	const hint = ": print it by a function such as nginxHeader, or by raw if it is meant to have an effect: in the line: "
	const weight2 = `(from ServiceMeta "weight" of service "web", instance "web-2" on node "n2", asked for by service "web")`
	store := hostileStore()
	for _, c := range []struct{ text, want string }{
		{"a\n {{ range service \"web\" }}{{ .ServiceMeta.weight }}{{ end }}", "t.tmpl:2:30: the value has a ;, which could change the structure of the configuration " + weight2 + hint + `{{ range service "web" }}`},
		{`{{ range service "web" }}{{ $w := .ServiceMeta.weight }}{{ $w }}{{ end }}`, weight2},
		{`{{ range service "web" }}{{ printf "server %s weight=%s;" .Address .ServiceMeta.weight }}{{ end }}`, "t.tmpl:1:29: the value has a ;, which could change the structure of the configuration " + weight2},
		{`{{ range service "web" }}{{ .ServiceMeta.weight | printf "weight=%s" }}{{ end }}`, weight2},
		{`{{ range service "web" }}{{ print "weight=" .ServiceMeta.weight ";" }}{{ end }}`, "made by the template"},
		{`{{ range service "web" }}{{ join ", " .Tags }}{{ end }}`, `(from Tags of service "web", instance "web-2" on node "n2", asked for by service "web")`},
		{`{{ range service "web" }}{{ .Tags }}{{ end }}`, "the value has white space"},
		{`{{ range service "web" }}{{ . }}{{ end }}`, "the value has "},
		{`{{ key "bad" }}`, `the value has a ;, which could change the structure of the configuration (from key "bad"): print it by`},
		{`{{ key "bad" | toUpper }}`, `(made by the template: it is in no answer)`},
		{`{{ key "bad;\nname" }}`, `the value has a {, which could change the structure of the configuration (from key "bad;\nname")`},
		{`{{ key "json" }}`, "the value has a {"},
		{`{{ (key "json" | parseJSON).s }}`, `the value has white space, which could change the structure of the configuration (from key "json")`},
		{`{{ (key "json" | parseJSON).nothing }}`, "there is no value to print"},
		{`{{ printf "%s" (key "json" | parseJSON).z }}`, ""},
		{`{{ printf "%c" ((key "json" | parseJSON).colon | int) }}`, ""},
		{`{{ range ls "p" }}{{ .Value }}{{ end }}`, `(from key "p/two", asked for by ls "p")`},
		{`{{ range services }}{{ .Name }}{{ end }}`, `(from Name of service "we{b", asked for by services)`},
		{`{{ with node "n1" }}{{ range .Services }}{{ .Meta.m }}{{ end }}{{ end }}`, `the value has a single quote, which could change the structure of the configuration (from Meta "m" of service "db", instance "db-1" on node "n1", asked for by node "n1")`},
		{`{{ define "x" }}{{ . }}{{ end }}{{ template "x" (key "bad") }}`, `t.tmpl:1:20: the value has a ;`},
		{`{{ define "x" }}{{ . }}{{ end }}{{ executeTemplate "x" (key "bad") }}`, `t.tmpl:1:20: the value has a ;`},
		{`{{ define "x" }}a; b{{ end }}{{ $x := executeTemplate "x" }}{{ $x }}`, `made by the template`},
		{`{{ define "x" }}a; b{{ end }}{{ executeTemplate "x" | replaceAll "a" "b" }}`, `made by the template`},
		{`{{ block "x" (key "bad") }}{{ . }}{{ end }}`, `(from key "bad")`},
		{`{{ $s := ";" }}{{ $s }}`, `made by the template`},
		{`{{ printf "%s %s" (key "good") }}`, "made by the template"},
		{`{{ printf "%[1]s %[1]s" (key "good") }}`, "white space"},
		{`{{ printf "%.2s" (nginxString "abc") }}`, "a double quote"},
		{`{{ printf "%q" (key "good") }}`, "a double quote"},
		{`{{ printf (key "bad") 1 }}`, "the value has a ;"},
		{`{{ nginxHeader (key "good") | printf "%.3s" }}`, "a double quote"},
		{`{{ join (key "sep") (sprig_list "a" "b" | toStrings) }}`, "the value has a ;"},
		{`{{ if false }}{{ else }}{{ key "bad" }}{{ end }}`, `(from key "bad")`},
		{`{{ range ls "none" }}{{ else }}{{ key "bad" }}{{ end }}`, `(from key "bad")`},
		{`{{ with key "empty" }}{{ else with key "bad" }}{{ . }}{{ end }}`, `(from key "bad")`},
		{`{{ "a\nb" | toLower }}`, "a line break"}, {`{{ "a$b" | toLower }}`, "a $"}, {`{{ "a#" | toLower }}`, "a #"},
		{`{{ "a}" | toLower }}`, "a }"}, {`{{ "a\\" | toLower }}`, "a backslash"}, {`{{ "a\tb" | toLower }}`, "white space"}, {`{{ "a\x00" | toLower }}`, "a control character"},
		{`{{ key "good" | add }}`, `t.tmpl:1:17: <add>: wrong number of args for add`},
		{`{{ index 1 2 | printf "%s" }}`, `<index 1 2>: error calling index`},
		{`{{ printf "%s" 1 2 | len | index 1 }}`, `error calling index: can't index item of type int`},
		{`{{ join "," (key "good") }}`, `expected []string; got string`},
		{`{{ (service "web" | len).X }}`, `can't evaluate field X in type int`},
	} {
		store.Put(watch.Query{Kind: watch.KindPrefix, Name: "none"}, []*watch.KeyPair{})
		r, err := nginxTemplate(t, c.text).Execute(t.Context(), store)
		switch {
		case err == nil && c.want != "":
			t.Errorf("%s: got %q, want an error with %s", c.text, r.Output, c.want)
		case err == nil:
			if what := harmful(string(r.Output)); what != "" {
				t.Errorf("%s: prints %q", c.text, r.Output)
			}
		case !strings.Contains(err.Error(), c.want):
			t.Errorf("%s\ngot  %v\nwant %s", c.text, err, c.want)
		case strings.Contains(err.Error(), "checked_") || strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "\n"):
			t.Errorf("%s: %q", c.text, err)
		}
	}
}

// Functions that refuse a value have no checks about them, and the same to say.
func TestRefusedValuesHaveAnOrigin(t *testing.T) {
	t.Parallel()
	store := hostileStore()
	store.Put(keyQuery("web"), "web")
	for _, c := range []struct{ text, want string }{
		{`{{ range service "web" }}{{ nginxWeight .ServiceMeta.weight }}{{ end }}`, `nginxWeight: want a whole number (from ServiceMeta "weight" of service "web", instance "web-2" on node "n2", asked for by service "web")`},
		{`{{ key "web" }}{{ range service "web" }}{{ nginxServer . .ServiceMeta.weight }}{{ end }}`, `want a port, 1 to 65535 (of service "web", instance "web-2" on node "n2")`},
		{`{{ nginxName (key "bad") }}`, `(from key "bad")`},
		{`{{ nginxPort 0 }}`, "want a port, 1 to 65535: in the line"},
	} {
		for _, format := range []string{"", FormatNginx} {
			tmpl, err := Parse("t.tmpl", c.text, Syntax{Format: format})
			if err == nil {
				_, err = tmpl.Execute(t.Context(), store)
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%s, format %q\ngot  %v\nwant %s", c.text, format, err, c.want)
			}
		}
	}
}

// A key or service may be named like a secret, and be long.
func TestOriginSurvivesRedaction(t *testing.T) {
	t.Parallel()
	store := watch.NewStore()
	long := strings.Repeat("k", 500)
	for _, name := range []string{"value", "structure", long} {
		store.Put(keyQuery(name), "value")
		store.Put(watch.Query{Kind: watch.KindPrefix, Name: "p"}, []*watch.KeyPair{{Path: name, Key: name, Value: "value; of"}})
		_, err := nginxTemplate(t, `{{ key "`+name+`" }}{{ range ls "p" }}{{ .Value }}{{ end }}`).Execute(t.Context(), store)
		if err == nil || strings.Contains(err.Error(), "redacted") || !strings.Contains(err.Error(), `(from key "`+short80(name)+`", asked for by ls "p")`) {
			t.Errorf("got %v", err)
		}
	}
}

func short80(s string) string { return s[:min(len(s), 80)] }

func TestFormatIsKnown(t *testing.T) {
	t.Parallel()
	_, err := Parse("t.tmpl", "x", Syntax{Format: "apache"})
	if err == nil || err.Error() != `t.tmpl: format: want "nginx" or nothing, got "apache"` {
		t.Errorf("got %v", err)
	}
}

// What function_denylist denies stays denied, and names of checks are not known to
// a template.
func TestFormatOpensNothing(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"join", "executeTemplate", "raw", "nginxString"} {
		tmpl, err := Parse("t.tmpl", `{{ define "x" }}{{ end }}{{ `+name+` "x" (sprig_list | toStrings) }}`, Syntax{Format: FormatNginx, Funcs: funcs.Options{Denied: []string{name}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = tmpl.Execute(t.Context(), watch.NewStore()); err == nil || !strings.Contains(err.Error(), "denied") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := Parse("t.tmpl", `{{ key "a" }}{{ print_checked_3 "a" }}`, Syntax{Format: FormatNginx}); err == nil {
		t.Error("a template calls a check")
	}
}

func TestFormatWaitsForAnswers(t *testing.T) {
	t.Parallel()
	r, err := nginxTemplate(t, `{{ key "missing" }}{{ key "bad" }}{{ nginxPort (key "m2") }}{{ printf "%s" (key "bad") }}{{ key "m3" }}`).Execute(t.Context(), hostileStore())
	if err != nil || len(r.Missing) != 3 || r.Output != nil {
		t.Errorf("got %+v, %v", r, err)
	}
}
