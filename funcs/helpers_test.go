package funcs

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"text/template"

	"github.com/Masterminds/sprig/v3"
)

// helperCase is a template with what it renders, or with how its error ends.
type helperCase struct {
	text string
	want string
	err  string
}

func checkHelpers(t *testing.T, data any, cases []helperCase) {
	t.Helper()
	for _, c := range cases {
		got, err := execHelpers(c.text, data)
		switch {
		case c.err != "" && (err == nil || !strings.HasSuffix(err.Error(), ": "+c.err)):
			t.Errorf("%s\n got %q, error %v\nwant error %s", c.text, got, err, c.err)
		case c.err == "" && err != nil:
			t.Errorf("%s\n got error %v\nwant %q", c.text, err, c.want)
		case c.err == "" && got != c.want:
			t.Errorf("%s\n got %q\nwant %q", c.text, got, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: the error has several lines: %v", c.text, err)
		}
	}
}

func execHelpers(text string, data any) (string, error) {
	tmpl, err := template.New("t").Option("missingkey=zero").Funcs(helpers()).Parse(text)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = tmpl.Execute(&b, data)
	return b.String(), err
}

// The names are those of consul-template v0.41.
func TestHelpersHaveAllNames(t *testing.T) {
	names := strings.Fields(`
		base64Decode base64Encode base64URLDecode base64URLEncode byKey byMeta byPort byTag
		contains containsAll containsAny containsNone containsNotAll env envOrDefault mustEnv
		explode explodeMap hmacSHA256Hex in indent join loop md5sum mergeMap mergeMapWithOverride
		parseBool parseFloat parseInt parseJSON parseUint parseYAML regexMatch regexReplaceAll
		replaceAll sha256Hex sockaddr split splitToMap timestamp toJSON toJSONPretty toLower
		toTOML toTitle toUnescapedJSON toUnescapedJSONPretty toUpper toYAML trim trimPrefix
		trimSpace trimSuffix add subtract multiply divide modulo minimum maximum
		spew_dump spew_printf spew_sdump spew_sprintf`)
	for _, name := range names {
		if helpers()[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
	for name := range sprig.HermeticTxtFuncMap() {
		if helpers()["sprig_"+name] == nil {
			t.Errorf("sprig_%s is missing", name)
		}
	}
}

func TestHelpersKeepBuiltins(t *testing.T) {
	for name := range helpers() {
		if _, err := template.New("").Parse("{{" + name + "}}"); err == nil {
			t.Errorf("%s takes the place of text/template's own", name)
		}
	}
	for _, name := range builtins {
		if _, err := template.New("").Parse("{{" + name + "}}"); err != nil {
			t.Errorf("%s is not text/template's: %v", name, err)
		}
	}
}

func TestHelpersAreSharedAndUnderstood(t *testing.T) {
	first, second := reflect.ValueOf(helpers()), reflect.ValueOf(helpers())
	if first.Pointer() != second.Pointer() {
		t.Error("the map is built more than once")
	}
	template.New("").Funcs(helpers()) // panics on a function that cannot be called
}

func TestSprig(t *testing.T) {
	checkHelpers(t, nil, []helperCase{
		{text: `{{upper "a"}}{{sprig_upper "a"}}`, want: "AA"},
		{text: `{{default "x" ""}}{{ternary 1 2 true}}{{list 1 2 | first}}`, want: "x11"},
		{text: `{{split "," "a,b"}}`, want: "[a b]"},
		{text: `{{sprig_split "," "a,b"}}`, want: "map[_0:a _1:b]"},
		{text: `{{add 1.5 2}} {{sprig_add 1.5 2}}`, want: "3.5 3"},
		{text: `{{trim "x" "xax"}} {{sprig_trim " a "}}`, want: "a a"},
		{text: `{{slice "abc" 1}} {{sprig_slice (list 1 2 3) 1}}`, want: "bc [2 3]"},
		{text: `{{contains "a" (list "a")}} {{sprig_contains "a" "bac"}}`, want: "true true"},
		{text: `{{fail "no"}}`, err: "error calling fail: no"},
		{text: `{{sprig_div 1 0}}`, err: "error calling sprig_div: runtime error: integer divide by zero"},
	})
	for _, name := range []string{"now", "date", "uuidv4", "randAlpha", "expandenv", "getHostByName"} {
		if helpers()[name] != nil || helpers()["sprig_"+name] != nil {
			t.Errorf("%s is not hermetic", name)
		}
	}
}

// A value that may be a secret shows up in no error.
func TestErrorsHideValues(t *testing.T) {
	const secret = "hunter2secret"
	for _, text := range []string{
		`{{parseBool .}}`, `{{parseInt .}}`, `{{parseUint .}}`, `{{parseFloat .}}`, `{{loop .}}`, `{{loop 0 .}}`,
		`{{parseInt "9" | printf "%s%d%s" . 9 | parseFloat}}`,
		`{{parseJSON .}}`, `{{parseJSON (printf "{\"a\":%s" .)}}`, `{{parseJSON (printf "\"%s" .)}}`,
		`{{parseYAML (printf "*%s" .)}}`, `{{parseYAML (printf "!!int %s" .)}}`, `{{parseYAML (printf "&%s [*%s]" . .)}}`,
		`{{parseYAML (printf "? [%s]\n: 1" .)}}`, `{{parseYAML (printf "a: %s: %s" . .)}}`, `{{parseYAML (printf "[%s" .)}}`,
		`{{parseYAML (printf "!!binary %s!" .)}}`,
		`{{regexMatch (printf "(%s" .) "x"}}`, `{{regexReplaceAll (printf "[%s" .) "x" "y"}}`,
		`{{base64Decode (printf "%s!" .)}}`, `{{base64URLDecode (printf "%s!" .)}}`,
		`{{explodeMap (sprig_dict "a" . "a/b" 1)}}`, `{{add . 1}}`, `{{divide 1 .}}`, `{{maximum . 1}}`,
		`{{byPort .}}`, `{{byTag .}}`, `{{timestamp . .}}`,
	} {
		_, err := execHelpers(text, secret)
		if err == nil {
			t.Errorf("%s gives no error", text)
			continue
		}
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%s shows the value: %v", text, err)
		}
		_, message, _ := strings.Cut(err.Error(), "error calling ")
		name, rest, _ := strings.Cut(message, ": ")
		if !strings.HasPrefix(rest, name+": ") {
			t.Errorf("%s: the error of the function does not start with its name: %v", text, err)
		}
	}
}

// What a template sorts may be a part of an answer, which must stay as it is.
func TestSortAlphaLeavesItsArgument(t *testing.T) {
	t.Parallel()
	list := []string{"b", "a"}
	sorted := Map(&Execution{}, Options{})["sortAlpha"].(func(any) []string)(list)
	if got := fmt.Sprint(list, sorted); got != "[b a] [a b]" {
		t.Error(got)
	}
}
