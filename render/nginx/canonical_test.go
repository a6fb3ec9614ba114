package nginx

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

func TestCanonicalEqual(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		a, b  string
		equal bool
	}{
		{"a b;", "a  b ; # comment", true},
		{"a { b; }", "a{b;}\r\n", true},
		{"a;\nb;", "b;\na;", false},
		{"a b;", "a 'b';", false},
		{`a "b  c";`, `a "b c";`, false},
		{`a "#x";`, `a "#y";`, false},
		{"a b#c;", "a b#d;", false}, // no comment
		{"a ${b}c { d; }", "a ${b}c{d;}", true},
		{"a b\\ c;", "a b c;", false},
		{`if ($a = "b") { c; }`, `if ($a  =  "b" ) {c;}`, true},
		{"upstream u { server a; server b; }", "upstream u { server b; server a; }", true},
		{"upstream u { zone z 1m; server a; server b; keepalive 3; }", "upstream u { zone z 1m; server b; server a; keepalive 3; }", true},
		{"upstream u { server a; server a; }", "upstream u { server a; }", false},
		{"upstream u { server a weight=2; server b; }", "upstream u { server a; server b weight=2; }", false},
		{"upstream u { hash $uri; server a; server b; }", "upstream u { hash $uri; server b; server a; }", false},
		{"upstream u { server a; server b; ip_hash; }", "upstream u { server b; server a; ip_hash; }", false},
		{"upstream u { server a; server b; include x; }", "upstream u { server b; server a; include x; }", false},
		{"upstream u { server a; server b; balancer_by_lua_block { } }", "upstream u { server b; server a; balancer_by_lua_block { } }", false},
		{"upstream u { server a; } upstream v { server a; }", "upstream v { server a; } upstream u { server a; }", true},
		{"upstream u { server a; } server { } upstream v { server a; }", "upstream v { server a; } server { } upstream u { server a; }", false},
		{"http { upstream u { server a; server b; } upstream v { server c; } server { listen 1; } }", "http { upstream v { server c; } upstream u { server b; server a; } server { listen 1; } }", true},
		{"server { listen 1; } server { listen 2; }", "server { listen 2; } server { listen 1; }", false},
		{"location /a { } location /b { }", "location /b { } location /a { }", false},
		{"x_by_lua_block { a = '}' -- }\n }", "x_by_lua_block { a = '}'  -- }\n }", false},
		{"x_by_lua_block { a = [=[ } ]] } ]=] --[[ } ]] { } }", "x_by_lua_block\n{ a = [=[ } ]] } ]=] --[[ } ]] { } }", true},
	} {
		a, b := Canonical([]byte(tc.a)), Canonical([]byte(tc.b))
		if bytes.Equal(a, b) != tc.equal {
			t.Errorf("%q and %q: equal is %v, want %v; forms %q, %q", tc.a, tc.b, !tc.equal, tc.equal, a, b)
		}
		if again := Canonical(a); !bytes.Equal(again, a) {
			t.Errorf("%q: not idempotent: %q, %q", tc.a, a, again)
		}
	}
}

func TestCanonicalForm(t *testing.T) {
	t.Parallel()
	text := "upstream b {\n\tserver z;\n\tserver y; # comment\n}\nupstream a { server x; }\nserver { location ~ \"\\.(a|b){2}$\" { return 200 'a\nb'; } }\n"
	want := "upstream a {\nserver x;\n}\nupstream b {\nserver y;\nserver z;\n}\nserver {\nlocation ~ \"\\.(a|b){2}$\" {\nreturn 200 'a\nb';\n}\n}\n"
	if got := string(Canonical([]byte(text))); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a":                   "line 1: the last directive does not end",
		"a;\nb":               "line 2: the last directive does not end",
		"a {":                 `line 1: a "}" is missing at the end`,
		"}":                   `line 1: unexpected "}"`,
		"a }":                 `line 1: unexpected "}"`,
		"a; }":                `line 1: unexpected "}"`,
		";":                   "line 1: a directive has no name",
		"{ }":                 "line 1: a directive has no name",
		`a "b`:                "line 1: a quoted string does not end",
		`a "b"c;`:             "line 1: a quoted string has something right behind it",
		"a_by_lua_block { '}": "line 1: a block of Lua does not end",
		strings.Repeat("a{", 2000) + strings.Repeat("}", 2000): "line 1: the blocks are nested too deep",
	} {
		_, err := parse([]byte(text))
		if err == nil || err.Error() != want {
			t.Errorf("%.20q: got %v, want %s", text, err, want)
		}
		if got := Canonical([]byte(text)); string(got) != text {
			t.Errorf("%q: Canonical is %q", text, got)
		}
	}
}

// largeConf has n upstreams with 5 servers and a server block each.
func largeConf(n int, listen string) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, "upstream service-%d {\n    zone service-%d 64k;\n", i, i)
		for j := range 5 {
			fmt.Fprintf(&b, "    server 10.%d.%d.%d:8080 max_fails=3 fail_timeout=10s weight=%d;\n", i/250, i%250, 5-j, j+1)
		}
		fmt.Fprintf(&b, "}\nserver {\n    listen %s;\n    server_name service-%d.example.com;\n    location / {\n        proxy_pass http://service-%d; # to it\n    }\n}\n", listen, i, i)
	}
	return b.Bytes()
}

func TestCanonicalAllocatesLittle(t *testing.T) { // AllocsPerRun bears no others beside it
	text := largeConf(4000, "80")
	if allocs := testing.AllocsPerRun(1, func() { Canonical(text) }); allocs > 200 {
		t.Errorf("%.0f allocations for %d bytes", allocs, len(text))
	}
}

func BenchmarkCanonical(b *testing.B) {
	text := largeConf(4000, "80")
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		Canonical(text)
	}
}

func FuzzCanonical(f *testing.F) {
	for _, text := range []string{"a b;", "a { b; }", "upstream u { server b; server a; } upstream a { }", `if ($a = "b") { c 'd\'e' ${f}; }`, "x_by_lua_block { [=[ } ]=] --[[ ]] '\\'' }", "# c\na\\ b;", "a$;{}", "a\"b\";"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		before := bytes.Clone(text)
		once := bytes.Clone(Canonical(text))
		if !bytes.Equal(text, before) {
			t.Errorf("%q has become %q", before, text)
		}
		if twice := Canonical(once); !bytes.Equal(once, twice) {
			t.Errorf("%q: first %q, then %q", text, once, twice)
		}
		parseTitle(string(text))
		essence(string(text))
	})
}

// What Debian installs is read without an error.
func TestParseInstalledFiles(t *testing.T) {
	t.Parallel()
	files, _ := filepath.Glob("/etc/nginx/*")
	for _, path := range files {
		text, err := (view{}).read(path)
		if err != nil {
			continue
		}
		if _, err := parse(text); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}
