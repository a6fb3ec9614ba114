package conf

import (
	"strings"
	"testing"
	"time"
)

// What v1 drops without a word, or takes in a way that nobody means, is refused, and
// so is what it refuses; each with a line that says what to do.
func TestRefused(t *testing.T) {
	for src, want := range map[string]string{
		// v1 ends a JSON object at these without an error, and drops the rest.
		`{"a": 1 "b": 2}`:    "a.hcl:1:9: want a comma or } after an entry of an object",
		`{"a": 1} {"b": 2}`:  "a.hcl:1:10: the file goes on after the brace that closes its object",
		`{"a": 1`:            "a.hcl:1:1: this object is not closed: its } is missing",
		`{"a": }`:            "a.hcl:1:7: invalid expression: want a value",
		`{"a" 1}`:            "a.hcl:1:6: after a name want a colon and a value",
		`{"a": ["b" "c"]}`:   "a.hcl:1:12: invalid expression: want a value, a comma or ]",
		`{"a": 1,, "b": 2}`:  "a.hcl:1:9: want a name",
		`{"a": 010}`:         "a.hcl:1:7: a number of JSON does not begin with 0: write it in quotes",
		"{\n// c\n\"a\": 1}": "a.hcl:2:1: JSON has no comments: take it out, or write the file as HCL",
		`{ a = 1 }`:          "a.hcl:1:3: want a name in quotes: the file begins with {, so it is JSON",
		`[1]`:                "a.hcl:1:1: want a name",
		`"a": 1`:             "a.hcl:1:4: after a name want = and a value, or { and a block",
		// Strings.
		"a = \"b\nc = 1":           "a.hcl:1:5: this string is not closed: its second quote is missing on this line",
		`a = "echo ${x" b = 1`:     "a.hcl:1:5: this string is not closed: its ${ takes in all up to a }, quotes and line ends too",
		`a = "\d+"`:                `a.hcl:1:6: this escape is unknown: write \\ for a backslash`,
		`a = "\$x"`:                `this escape is unknown`,
		`a = "\x4"`:                `this escape is unknown`,
		`a = "\777"`:               `this escape is unknown`,
		`a = "\UFFFFFFFF"`:         `this escape is unknown`,
		`a = 'b'`:                  "a.hcl:1:5: want double quotes around a string",
		"a = <<\"EOT\"\nb\nEOT\n":  "a.hcl:1:5: want << and a word without quotes at the end of the line, such as <<EOT",
		"a = <<EOT \nb\nEOT\n":     "such as <<EOT",
		"a = << EOT\nb\nEOT\n":     "such as <<EOT",
		"a = <<-\nb\n":             "such as <<EOT",
		"a = <\n":                  "such as <<EOT",
		"a = <<EOT\nb\nEOT \n":     "a.hcl:1:5: this text is not closed: the word after << is missing on a line of its own",
		"a = [<<EOT\nb\nEOT, 1]\n": "this text is not closed",
		"a = <<EOT":                "this text is not closed",
		// Numbers and words.
		`a = 5s`:         `a.hcl:1:5: this is not a number: what has a unit needs quotes, such as "5s"`,
		`a = 08`:         "a.hcl:1:5: a number that begins with 0 is octal: its digits go up to 7",
		`a = 0o644`:      "this is not a number",
		`a = 0x`:         "this is not a number",
		`a = -`:          "this is not a number",
		`a = 1e999`:      "this is not a number",
		`a = yes`:        "a.hcl:1:5: this word needs quotes",
		`a = env(X)`:     `a.hcl:1:5: want env("NAME"), with one name in quotes`,
		`a = env("X"`:    `a.hcl:1:5: want env("NAME"), with one name in quotes`,
		`a = file("X")`:  `a.hcl:1:5: call to unknown function: there is only env("NAME")`,
		`a = env("X"+1)`: `want env("NAME")`,
		// Brackets, commas and the like.
		"a {\n b = 1\n":       "a.hcl:1:3: this block is not closed: its } is missing",
		"a = [1, 2":           "a.hcl:1:5: this list is not closed: its ] is missing",
		"a = 1\n}":            "a.hcl:2:1: this } closes nothing",
		"a = 1,, b = 2":       "a.hcl:1:7: want a name",
		"a = 1; b = 2":        "a.hcl:1:6: the character ; does not belong here",
		"a = [1 2]":           "a.hcl:1:8: invalid expression: want a value, a comma or ]",
		"a {\n b =\n}":        "a.hcl:2:5: invalid expression: want a value",
		"a =":                 "a.hcl:1:4: invalid expression: want a value, but the file ends here",
		"a { b }":             "a.hcl:1:7: after a name want = and a value, or { and a block",
		"a b = 1":             "a.hcl:1:5: after a name want = and a value, or { and a block",
		"a: 1":                "a.hcl:1:2: after a name want = and a value, or { and a block",
		"/* a":                "a.hcl:1:1: this comment is not closed: its */ is missing",
		"a\u00a0= 1":          "a.hcl:1:2: the character U+00A0 does not belong here",
		"a = 1\x00":           "a.hcl:1:6: there is a zero byte: this is not a text file in UTF-8",
		"a = 1\nb = \"\xff\"": "a.hcl:2:6: this is not UTF-8: save the file in that encoding",
		"# caf\xe9\n":         "a.hcl:1:6: this is not UTF-8",
		"\xff\xfea\x00 \x00":  "a.hcl:1:4: there is a zero byte",
		"a = {{ b = 1 }}":     "a.hcl:1:6: want a name",
		"a = (1)":             "a.hcl:1:5: invalid expression: want a value",
		`a "b" = 1`:           "a.hcl:1:7: after a name want = and a value, or { and a block",
	} {
		_, err := Parse("a.hcl", []byte(src))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q\n got %v\nwant %s", src, err, want)
		}
	}
}

func TestTakenBeyondV1(t *testing.T) {
	for src, want := range map[string]string{
		"\ufeffname = \"a\"":              "a", // with a byte order mark
		"\ufeff{\"name\": \"a\"}":         "a",
		"name = <<-EOT\na\nEOT\n":         "a\n",
		"name = <<EOT\na\nEOT":            "a\n", // the file ends there
		`{"name": "a\/b \ud83d\ude00"}`:   "a/b 😀",
		`{"name": "b", "retry": null}`:    "b",
		"name = \"${x//\\./-} ${y#\\}}\"": `${x//\./-} ${y#\}}`,
	} {
		got, err := decode(t, "a.json", src)
		if err != nil || got.Name != want {
			t.Errorf("%q: got %q, %v", src, got.Name, err)
		}
	}
}

func TestTheNameOfTheFileDoesNotMatter(t *testing.T) {
	for name, src := range map[string]string{"a.json": `name = "a"`, "a.hcl": "\n { \"name\": \"a\" }", "a": `name = "a"`} {
		if got, err := decode(t, name, src); err != nil || got.Name != "a" {
			t.Errorf("%s: got %q, %v", name, got.Name, err)
		}
	}
}

func TestSyntaxErrorsAreAllReported(t *testing.T) {
	for src, want := range map[string][]string{
		"a = yes\nb { c = \"\\d\" }\nd = 5s\n":       {"1:5", "2:10", "3:5"},
		"a =\nb = 1\nc { d\n = }\nf = [1 2]\n":       {"1:4", "4:4", "5:8"},
		"a = \"b\nc = 1\n}\nd = 2":                   {"1:5", "3:1"},
		"a = 5s\nb = 5s\nc = 5s\nd = 5s\ne = 5s":     {"1:5", "2:5", "3:5", "a.hcl: and 2 more"},
		"{\n\"a\": x,\n\"b\": 5s,\n\"c\" 1\n}":       {"2:6", "3:6", "4:5"},
		"a { b = [1, {c = 2, \"\\q\" = 3}, 4x]\n}\n": {"1:22", "1:32"},
		"a {\n b = \"${\n}\n":                        {"2:6"},
		"a {\n b = [\"x\"\n c = 1\n}\nd = yes\n":     {"3:2", "5:5"},
		"a = {{{{{{":                                 {"1:6"},
	} {
		_, err := Parse("a.hcl", []byte(src))
		if err == nil {
			t.Errorf("%q: taken", src)
			continue
		}
		lines := strings.Split(err.Error(), "\n")
		ok := len(lines) == len(want)
		for i := range min(len(lines), len(want)) {
			ok = ok && strings.HasPrefix(strings.TrimPrefix(lines[i], "a.hcl:"), strings.TrimPrefix(want[i], "a.hcl:"))
		}
		if !ok {
			t.Errorf("%q\n got %v\nwant %q", src, err, want)
		}
	}
}

func TestDeepNestingIsRefused(t *testing.T) {
	const n = 100_000
	for _, src := range []string{
		"a = " + strings.Repeat("[", n), strings.Repeat("a {", n), strings.Repeat("a = {", n), strings.Repeat("{", n), "a = " + strings.Repeat("{", n),
		strings.Repeat(`{"a":`, n), `{"a":` + strings.Repeat("[", n), "a = " + strings.Repeat("[", n) + strings.Repeat("]", n),
		strings.Repeat("a {", n) + strings.Repeat("}", n), strings.Repeat("a ", n) + "{}", "a = " + strings.Repeat("[{b=", n),
	} {
		_, err := Parse("a.hcl", []byte(src))
		if err == nil || strings.Count(err.Error(), "\n") > 1 {
			t.Errorf("%.10s…: got %v", src, err)
		}
	}
	_, err := Parse("a.hcl", []byte(strings.Repeat("a {", n)))
	if want := "a.hcl:1:603: blocks and lists are nested more than 200 deep"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if _, err := Parse("a.hcl", []byte(strings.Repeat("a {", 200)+strings.Repeat("}", 200))); err != nil {
		t.Error(err)
	}
}

// Each of these would take minutes if reading took time in proportion to the square of
// the text.
func TestHugeTexts(t *testing.T) {
	const n, most = 5_000, 50_000
	for _, part := range []string{
		"a = 1\n", "a = 1 ", "a { b = \"c\" }\n", "a = \"${\n", "a = \"b\n", "a = <<E\n", "/* ", "a = 5s\n", "\"\\q", "}", "]", "a = [", "a ", "<<", "x\n",
		"\"a\\\\", "a = <<-E\n b\n E\n", "a = 1,", "\u00a0", "'", "=", "a = env(\"X\")\n", "${", "\\", "-", "1", "a=x(",
	} {
		for _, before := range []string{"", "a = [", `{"a": [`} {
			took := func(n int) time.Duration {
				start := time.Now()
				v, err := Parse("a.hcl", []byte(before+strings.Repeat(part, n)))
				if err == nil {
					_ = (&Decoder{}).Decode(v, &sample{}, "")
				}
				return time.Since(start)
			}
			// What takes four times as long as its length tells does so each time, unlike a machine that
			// does something else.
			for tries := 3; tries > 0; tries-- {
				if huge := took(most); huge < time.Second || huge < 4*most/n*took(n) {
					break
				} else if tries == 1 {
					t.Errorf("%q after %q: %d times take %s, which is more than their share", part, before, most, huge)
				}
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`a = "${b}" c { d = 1 e = 2 }`, "a = <<E\n${x}\nE\n", `{"a": [1, {"b": null}]}`, `kv { "a/b" = "c" }`, "a { b { c = 1 } d = 2 }, e = [1,2]",
		`name = env("HOME")`, `retry { min = 5s } retry { max = 1.5 }`, `{"item": [{"port": 0x1}], "tags": "a,b",}`, "\ufeffa = \"\\xff\\ud83d\\ude00\"", "a =\n'b'\n}",
		"\"a\\n\" b {}", "meta { \"\\r\\n\" = [] }", "a = [[[[[[", "a {{{{{{", `{"a":{"a":{"a":`, "a = \"${", "a = \"\xff\x00\"", `meta { a = 1 } meta = [{ b = 2 }] enabled = "1"`,
		`pool "a" { port = 1 } pool b c {} pool { d { port = 0 } }`,
	} {
		f.Add(seed)
	}
	for _, tc := range v1Cases {
		f.Add(tc.src)
	}
	f.Fuzz(func(t *testing.T, src string) {
		v, err := Parse("fuzz.hcl", []byte(src))
		if checkLines(t, err); err != nil {
			return
		}
		checkLines(t, (&Decoder{Fold: true}).Decode(v, &sample{}, ""))
		checkLines(t, (&Decoder{}).Decode(v, &settings{}, ""))
		checkLines(t, (&Decoder{}).Decode(v, &pools{}, ""))
	})
}

// checkLines checks that each line of an error has its place.
func checkLines(t *testing.T, err error) {
	if err == nil {
		return
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		if !strings.HasPrefix(line, "fuzz.hcl:") {
			t.Errorf("an error without a place, or with a line end in it: %q", err)
		}
	}
}
