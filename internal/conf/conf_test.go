package conf

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type sample struct {
	Name     string            `conf:"name"`
	Enabled  *bool             `conf:"enabled"`
	Attempts int               `conf:"attempts"`
	Wait     time.Duration     `conf:"wait"`
	Tags     []string          `conf:"tags"`
	Meta     map[string]string `conf:"meta"`
	Retry    struct {
		Min time.Duration `conf:"min"`
		Max time.Duration `conf:"max"`
	} `conf:"retry"`
	Items []item `conf:"item,items"`
}

type item struct {
	Command string `conf:"command"`
	Port    int    `conf:"port"`
}

func decode(t *testing.T, name, src string) (sample, error) {
	t.Helper()
	var s sample
	v, err := Parse(name, []byte(src))
	if err != nil {
		return s, err
	}
	return s, (&Decoder{}).Decode(v, &s, "")
}

func TestSameMeaningHoweverWritten(t *testing.T) {
	yes := true
	want := sample{
		Name: `a ${x} %{y} $${z} "q"`, Enabled: &yes, Attempts: 3, Wait: 90 * time.Second,
		Tags: []string{"a", "b"}, Meta: map[string]string{"a/b": "1", "c": "2"},
		Items: []item{{Command: "one", Port: 1}, {Command: "two"}},
	}
	want.Retry.Min, want.Retry.Max = time.Second, 2*time.Second
	for name, src := range map[string]string{
		"blocks.hcl": `
name = "a ${x} %{y} $${z} \"q\""
enabled = true
attempts = 3
wait = "1m30s"
tags = ["a", "b"]
meta {
  "a/b" = "1"
  c = "2"
}
retry { min = "1s" max = "2s" }
item { command = "one" port = 1 }
item {
  command = "two"
}
`,
		"objects.hcl": `
name = "a ${x} %{y} $${z} \"q\"" # with ${a comment}
"enabled" = "true" // ${
attempts = "3" /* ${ */
wait = 90
tags = ["a", "b",]
meta = { "a/b" = "1" "c" = "2" }
retry = { min = 1, max = 2 }
items = [{ command = "one" port = 1 }, { command = "two" }]
`,
		"commas.hcl": `name = "a ${x} %{y} $${z} \"q\"", enabled = true, attempts = 3, wait = 90, tags = ["a","b"], meta { "a/b" = 1, "c" = 2 }, retry { min = 1, max = 2 }, item { command = "one", port = 1 }, item { command = "two" }`,
		"json.json": `{"name": "a ${x} %{y} $${z} \"q\"", "enabled": true, "attempts": 3, "wait": "90", "tags": ["a","b"],
"meta": {"a/b": "1", "c": "2"}, "retry": [{"min": "1s", "max": "2s"}], "item": [{"command": "one", "port": 1}, {"command": "two"}]}`,
		"json-without-ending": ` {"name": "a ${x} %{y} $${z} \"q\"", "enabled": "1", "attempts": 3, "wait": "90", "tags": ["a","b"],
"meta": {"a/b": "1", "c": "2"}, "retry": {"min": "1s", "max": "2s"}, "item": [{"command": "one", "port": 1}, {"command": "two"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			got, err := decode(t, name, src)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestHeredocIsLiteral(t *testing.T) {
	got, err := decode(t, "a.hcl", "name = <<EOT\n{{ range $x }}${y} \"%{z}\"\nEOT\nattempts = 2\n")
	if err != nil {
		t.Fatal(err)
	}
	if want := "{{ range $x }}${y} \"%{z}\"\n"; got.Name != want || got.Attempts != 2 {
		t.Errorf("got %q and %d, want %q and 2", got.Name, got.Attempts, want)
	}
}

func TestIndentedHeredocsAreThoseOfV1(t *testing.T) {
	for src, want := range map[string]string{
		"name = <<-EOH\n    one\n      two\n  EOH\n":         "  one\n    two\n",
		"name = <<-EOH\n    one\n\n    two\n    EOH\n":       "    one\n\n    two\n", // a line without it: nothing goes
		"name = <<-EOH\n\tone ${x} $${y} %{z}\n\tEOH\n":      "one ${x} $${y} %{z}\n",
		"name = <<EOH\r\n  one\r\ntwo\r\nEOH\r\n":            "  one\ntwo\n",
		"name = <<EOH\nEOH\n":                                "",
		"item {\n command = <<-X\n  a\n  X\n}\nname = \"b\"": "b",
	} {
		got, err := decode(t, "a.hcl", src)
		if err != nil || got.Name != want {
			t.Errorf("%q: got %q, %v; want %q", src, got.Name, err, want)
		}
	}
}

func TestEmptyStringsOnOneLine(t *testing.T) {
	got, err := decode(t, "a.hcl", `item { command = "" port = 2 } name = "" attempts = 1`)
	if err != nil || len(got.Items) != 1 || got.Items[0].Port != 2 || got.Attempts != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestNullIsNothing(t *testing.T) {
	got, err := decode(t, "a.json", `{"name": null, "retry": null, "item": null, "meta": null, "attempts": 2}`)
	if err != nil || got.Attempts != 2 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("CONF_TEST", "from outside")
	got, err := decode(t, "a.hcl", `name = env("CONF_TEST")`)
	if err != nil || got.Name != "from outside" {
		t.Errorf("got %q, %v", got.Name, err)
	}
}

func TestLaterFilesWinAndBlocksAddUp(t *testing.T) {
	var s sample
	d := &Decoder{}
	for _, src := range []string{`name = "a"
retry { min = 1 }
item { command = "one" }`, `name = "b"
retry { max = 2 }
item { command = "two" }`} {
		v, err := Parse("x.hcl", []byte(src))
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Decode(v, &s, ""); err != nil {
			t.Fatal(err)
		}
	}
	if s.Name != "b" || s.Retry.Min != time.Second || s.Retry.Max != 2*time.Second || len(s.Items) != 2 {
		t.Errorf("got %+v", s)
	}
}

func TestErrorsNameThePlace(t *testing.T) {
	for _, tc := range []struct{ name, src, want string }{
		{"a.hcl", "name = 1\nnmae = 2\n", `a.hcl:2:1: unknown key "nmae": did you mean "name"?`},
		{"a.hcl", "zzzzz = 2", `a.hcl:1:1: unknown key "zzzzz"`},
		{"a.hcl", "retry { min = 1 mxa = 2 }", `a.hcl:1:17: unknown key "mxa" in retry: did you mean "max"?`},
		{"a.hcl", "name = \"${a} ${b}\" nmae = 2", `a.hcl:1:20: unknown key "nmae"`},
		{"a.json", "{\"name\": \"x\",\n \"nmae\": 2}", `a.json:2:2: unknown key "nmae": did you mean "name"?`},
		{"a.hcl", "attempts = \"secret\"", "a.hcl:1:12: attempts: want a whole number, got a string"},
		{"a.hcl", "attempts = [1]", "a.hcl:1:12: attempts: want a whole number, got a list"},
		{"a.hcl", "wait = \"5 parsecs\"", `a.hcl:1:8: wait: "5 parsecs" is not a duration such as "5s"`},
		{"a.hcl", "wait = \"-5s\"", `is negative`},
		{"a.hcl", "retry = 3", "a.hcl:1:9: retry: want a block, got a number"},
		{"a.hcl", "\n\nname = = 2", "a.hcl:3:8: invalid expression"},
		{"a.hcl", "name = warn", "a.hcl:1:8: this word needs quotes: want a string, a number, true, false, a list or a block"},
		{"a.hcl", "retry {\n min = 1\n", "a.hcl:1:7: this block is not closed: its } is missing"},
		{"a.hcl", "item \"label\" { port = 1 }", `a.hcl:1:6: "item" takes no label`},
		{"a.json", "{\"name\": ", "a.json:1:"},
		{"a.hcl", "name = nosuch(1)", "a.hcl:1:8: call to unknown function"},
	} {
		t.Run(tc.src, func(t *testing.T) {
			_, err := decode(t, tc.name, tc.src)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v\nwant %s", err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the value is in the error: %v", err)
			}
		})
	}
}

func TestErrorsOfTheParserQuoteNothing(t *testing.T) {
	for name, src := range map[string]string{
		"a.json": `{"name": SEKRIT}`, "b.hcl": `name = SEKRIT("x")`, "c.hcl": `name = SEKRIT`, "d.json": `{"name": "a" SEKRIT}`, "e.hcl": "name = \"a\" SEKRIT\n",
	} {
		if _, err := decode(t, name, src); err == nil || strings.Contains(err.Error(), "SEKRIT") {
			t.Errorf("%s: got %v", src, err)
		}
	}
}

func TestAllErrorsAreReported(t *testing.T) {
	_, err := decode(t, "a.hcl", "a = 1\nattempts = \"x\"\nretry { b = 2 }\n")
	if got := strings.Count(err.Error(), "\n") + 1; got != 3 {
		t.Errorf("got %d lines, want 3:\n%v", got, err)
	}
}
