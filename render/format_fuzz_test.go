package render

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ctmpl/ctmpl/watch"
)

// structured has a value in each place where one can stand.
const structured = `# a comment {{ key "v" }}
upstream {{ key "v" }} {
  server {{ key "v" }}:80 weight={{ key "v" }}; # {{ key "v" }}
  server x{{ key "v" }}y "{{ key "v" }}" '{{ key "v" }}' "a {{ key "v" }} b";
  {{ printf "server %s;" (key "v") }} {{ join " " (sprig_list (key "v") (key "v") | toStrings) }};
  {{ key "v" }} { a {{ key "v" }}; }
}
`

// tokens reads a configuration as ngx_conf_read_token does. A word is "w", whatever
// is in it; ok is false where nginx gives up.
func tokens(conf string) (list []string, ok bool) {
	const space = " \t\r\n"
	for i := 0; i < len(conf); {
		switch c := conf[i]; {
		case strings.IndexByte(space, c) >= 0:
			i++
		case strings.IndexByte(";{}", c) >= 0:
			list = append(list, string(c))
			i++
		case c == '#':
			for i < len(conf) && conf[i] != '\n' {
				i++
			}
		case c == '"' || c == '\'':
			for i++; i < len(conf) && conf[i] != c; i++ {
				if conf[i] == '\\' {
					i++
				}
			}
			i++
			if i >= len(conf) || strings.IndexByte(space+";{)", conf[i]) < 0 {
				return list, false
			}
			list = append(list, "w")
		default:
			i = wordEnd(conf, i)
			list = append(list, "w")
		}
	}
	return list, true
}

// wordEnd gives the end of a word without quotes, in which ${ opens no block.
func wordEnd(conf string, i int) int {
	for variable := false; i < len(conf); i++ {
		switch c := conf[i]; {
		case c == '{' && variable:
		case strings.IndexByte(" \t\r\n;{", c) >= 0:
			return i
		case c == '\\':
			i++
		}
		variable = i < len(conf) && conf[i] == '$'
	}
	return i
}

func structure(t *testing.T, tmpl *Template, value string) (list []string, err error) {
	t.Helper()
	store := watch.NewStore()
	store.Put(keyQuery("v"), value)
	r, err := tmpl.Execute(t.Context(), store)
	if err != nil {
		return nil, err
	}
	list, ok := tokens(string(r.Output))
	if !ok {
		t.Errorf("%q: nginx cannot read\n%s", value, r.Output)
	}
	return list, nil
}

func harmlessStructure(t *testing.T, tmpl *Template) []string {
	t.Helper()
	list, err := structure(t, tmpl, "harmless")
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// checkStructure wants of a value that it is refused, or changes nothing.
func checkStructure(t *testing.T, checked, functions *Template, value string) {
	t.Helper()
	if value == "" {
		return // no word at all
	}
	got, err := structure(t, checked, value)
	if err == nil && !slices.Equal(got, harmlessStructure(t, checked)) {
		t.Errorf("%q changes the structure: %v", value, got)
	}
	if err != nil && strings.Contains(err.Error(), "\n") {
		t.Errorf("%q: %v", value, err)
	}
	store := watch.NewStore()
	store.Put(keyQuery("v"), value)
	r, err := functions.Execute(t.Context(), store)
	if err != nil {
		return
	}
	if list, ok := tokens(string(r.Output)); !ok || len(list) != 9 {
		t.Errorf("%q is more than one word: %s", value, r.Output)
	}
}

// functioned has functions that take any text.
const functioned = `{{ nginxComment (key "v") }}
add_header X {{ nginxHeader (key "v") }}; {{ nginxString (key "v") }} x; {{ nginxComment (key "v") }}
y;`

func FuzzFormatKeepsTheStructure(f *testing.F) {
	for _, i := range injections() {
		f.Add(i.value)
	}
	for _, s := range []string{"10.0.0.1", "a b", "}", "\\", "'", "${x}", "a\"", "\x00", "\xff", " ", "é", "\u200b", "a{"} {
		f.Add(s)
	}
	checked, functions := nginxTemplate(f, structured), nginxTemplate(f, functioned)
	f.Fuzz(func(t *testing.T, value string) {
		checkStructure(t, checked, functions, value)
	})
}

func TestRandomValuesKeepTheStructure(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	alphabet := []string{"a", "b1", ".", "-", ":", "/", "~", "*", "é", "\xff", "=", ";", "{", "}", "\"", "'", "\n", "\r", "\t", " ", "$", "#", "\\", "\x00", "\x7f"}
	checked, functions := nginxTemplate(t, structured), nginxTemplate(t, functioned)
	passed := 0
	for range 1000 {
		var b strings.Builder
		harmless := random.IntN(2) == 0
		for range 1 + random.IntN(8) {
			n := len(alphabet)
			if harmless {
				n = 11
			}
			b.WriteString(alphabet[random.IntN(n)])
		}
		if harmful(b.String()) == "" {
			passed++
		}
		checkStructure(t, checked, functions, b.String())
	}
	if passed < 300 {
		t.Errorf("only %d values pass", passed)
	}
}
