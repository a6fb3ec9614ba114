package render

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ctmpl/ctmpl/funcs"
	"github.com/ctmpl/ctmpl/watch"
)

func TestWritesAreHeldBack(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sub", "f")
	tmpl := mustParse(t, fmt.Sprintf(`{{ key "a" | writeToFile %q "" "" "0600" }}{{ key "b" | writeToFile %q "" "" "0640" "append,newline" }}ok{{ if eq (key "b") "bad" }}{{ index 1 2 }}{{ end }}`, path, path))
	store := watch.NewStore()
	store.Put(keyQuery("a"), "1")
	if r, err := tmpl.Execute(t.Context(), store); err != nil || r.Writes != nil {
		t.Errorf("while an answer is missing: %+v, %v", r, err)
	}
	store.Put(keyQuery("b"), "bad")
	if r, err := tmpl.Execute(t.Context(), store); err == nil || r.Writes != nil {
		t.Errorf("with an error: %+v, %v", r, err)
	}
	store.Put(keyQuery("b"), "2")
	for range 2 {
		r, err := tmpl.Execute(t.Context(), store)
		if err != nil || len(r.Writes) != 1 || string(r.Output) != "ok" {
			t.Fatalf("got %+v, %v", r, err)
		}
		f := r.Writes[0]
		if f.Path != path || string(f.Content) != "12\n" || f.Mode != 0o640 || f.Append || f.UID != -1 {
			t.Errorf("got %+v", f)
		}
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("executing wrote the file")
	}
}

func TestWritesOfOneFileAddUp(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	for _, tc := range []struct {
		text   string
		want   string
		append bool
		uid    int
	}{
		{`{{ write "a" "" }}{{ write "b" "" }}`, "b", false, -1},
		{`{{ write "a" "" }}{{ write "b" "append" }}{{ write "c" "append,newline" }}`, "abc\n", false, -1},
		{`{{ write "a" "append" }}{{ write "b" "append" }}`, "ab", true, -1},
		{`{{ write "a" "append" }}{{ write "b" "newline" }}`, "b\n", false, -1},
		{`{{ "a" | writeToFile PATH "7" "7" "0644" }}{{ write "b" "append" }}`, "ab", false, 7},
	} {
		text := strings.NewReplacer(`write "`, `writeToFile PATH "" "" "0644" "`).Replace(tc.text)
		// The flags come before the content.
		text = swapLast(text)
		r, err := mustParse(t, strings.ReplaceAll(text, "PATH", fmt.Sprintf("%q", path))).Execute(t.Context(), watch.NewStore())
		if err != nil || len(r.Writes) != 1 {
			t.Errorf("%s: got %+v, %v", text, r, err)
			continue
		}
		if f := r.Writes[0]; string(f.Content) != tc.want || f.Append != tc.append || f.UID != tc.uid {
			t.Errorf("%s: got %+v", text, f)
		}
	}
}

// swapLast turns content and flags of the test's notation around.
func swapLast(text string) string {
	parts := strings.Split(text, "}}")
	for i, part := range parts {
		fields := strings.Fields(part)
		if n := len(fields); n == 8 && fields[1] == "writeToFile" {
			fields[6], fields[7] = fields[7], fields[6]
			parts[i] = strings.Join(fields, " ")
		}
	}
	return strings.Join(parts, "}}")
}

// What is known to fail is an error of the template, with its place.
func TestWriteErrorsNameThePlace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Symlink("/etc", filepath.Join(dir, "out")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../../../../../../etc/passwd", filepath.Join(dir, "passwd")); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ path, want string }{
		{"", "is not a regular file"},
		{"out/x", "escapes"},
		{"passwd", "escapes"},
		{"../x", "is outside of sandbox_path"},
	} {
		text := fmt.Sprintf("a\n{{ \"c\" | writeToFile %q \"\" \"\" \"0644\" }}", dir+"/"+tc.path)
		syntax := Syntax{}
		if tc.path != "" {
			syntax.Funcs = funcs.Options{Sandbox: dir}
		}
		tmpl, err := Parse("test.tmpl", text, syntax)
		if err != nil {
			t.Fatal(err)
		}
		_, err = tmpl.Execute(t.Context(), watch.NewStore())
		if err == nil || !strings.HasPrefix(err.Error(), "test.tmpl:2:10: ") || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v", tc.path, err)
		}
	}
}

func TestNestedErrorsNameTheInnermostPlace(t *testing.T) {
	t.Parallel()
	tmpl := mustParse(t, "{{ define \"a\" }}\n  {{ index 1 2 }}{{ end }}{{ define \"b\" }}{{ executeTemplate \"a\" }}{{ end }}\n{{ executeTemplate \"b\" }}")
	_, err := tmpl.Execute(t.Context(), watch.NewStore())
	want := `test.tmpl:2:6: executing "a" at <index 1 2>: error calling index: can't index item of type int: in the line: {{ index 1 2 }}`
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	_, err = mustParse(t, `{{ executeTemplate "none" }}`).Execute(t.Context(), watch.NewStore())
	want = `test.tmpl:1:4: <executeTemplate "none">: error calling executeTemplate: executeTemplate: there is no template "none" in this file`
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// None of these may end the process, or go on without end.
func TestTooMuchIsAnError(t *testing.T) {
	t.Parallel()
	const deep = "templates are executed more than 1000 deep within templates: does one execute itself?"
	for _, tc := range []struct{ text, want string }{
		{"\n{{ define \"a\" }}{{ template \"a\" . }}{{ end }}{{ template \"a\" . }}", "test.tmpl:2:17: " + deep},
		{`{{ define "a" }}x{{ range loop 2 }}{{ with 1 }}{{ if . }}{{ template "a" . }}{{ end }}{{ end }}{{ end }}{{ end }}{{ template "a" . }}`, deep},
		{`{{ define "a" }}{{ executeTemplate "a" }}{{ end }}{{ executeTemplate "a" }}`, deep},
		{`{{ define "a" }}{{ template "b" }}{{ end }}{{ define "b" }}{{ $x := executeTemplate "a" . | toUpper }}{{ end }}{{ executeTemplate "b" }}`, deep},
		{`{{ executeTemplate "test.tmpl" }}`, deep},
		{`{{ template "test.tmpl" }}`, deep},
		{"a\n{{ range loop 1 9223372036854775807 }}more{{ end }}", "test.tmpl:2:10: the output has more than 1 MiB: in the line: "},
		{`{{ range loop 1 9223372036854775807 }}{{ . }}{{ end }}`, "the output has more than 1 MiB"},
		{`{{ range 9223372036854775807 }}{{ . }}{{ end }}`, "the output has more than 1 MiB"},
		{`{{ define "a" }}{{ range loop 1000000 }}{{ . }}{{ end }}{{ end }}{{ $x := executeTemplate "a" }}`, "the output has more than 1 MiB"},
		{`{{ repeat 1048577 "x" }}`, "the output has more than 1 MiB"},
		{`{{ range loop 1000 }}{{ repeat 2000 "x" | writeToFile "/tmp/nowhere" "" "" "0644" "append" }}{{ end }}`, "writeToFile: the files have more than 1 MiB together"},
	} {
		tmpl, err := Parse("test.tmpl", tc.text, Syntax{MaxOutput: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // nothing is left over of the first
			_, err = tmpl.Execute(t.Context(), watch.NewStore())
			if err == nil || !strings.Contains(err.Error(), tc.want) || len(err.Error()) > 500 {
				t.Errorf("%s: got %.500v", tc.text, err)
			}
		}
	}
}

func TestWithinBounds(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ text, want string }{
		{`{{ define "down" }}{{ if . }}{{ template "down" (subtract 1 .) }}{{ else }}end{{ end }}{{ end }}{{ template "down" 990 }}`, "end"},
		{`{{ define "a" }}x{{ end }}{{ range loop 20000 }}{{ template "a" }}{{ end }}`, strings.Repeat("x", 20000)},
		{`{{ define "a" }}x{{ end }}{{ range loop 20000 }}{{ executeTemplate "a" }}{{ end }}`, strings.Repeat("x", 20000)},
		{`{{ define "a" }}{{ range loop 9 }}{{ if eq . 2 }}{{ break }}{{ end }}{{ continue }}{{ end }}x{{ end }}{{ range loop 20000 }}{{ template "a" }}{{ end }}`, strings.Repeat("x", 20000)},
		{`{{ repeat 1048576 "x" }}`, strings.Repeat("x", 1<<20)},
		{`{{ range $i, $v := list "a" "b" }}{{ $i }}{{ $v }}{{ else }}none{{ end }}{{ range list }}x{{ else }}none{{ end }}`, "0a1bnone"},
		{"{{ range loop 2 -}}\n  x\n{{- end }}{{ block \"b\" 5 }}{{ . }}{{ end }}", "xx5"},
	} {
		tmpl, err := Parse("test.tmpl", tc.text, Syntax{MaxOutput: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		if r, err := tmpl.Execute(t.Context(), watch.NewStore()); err != nil || string(r.Output) != tc.want {
			t.Errorf("%s: %v\n%s", tc.text, err, cmp.Diff(tc.want, string(r.Output)))
		}
	}
}

func TestLoopsWithoutEndCanBeStopped(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{{ range loop 0 9223372036854775807 }}{{ end }}`,
		`{{ range 9223372036854775807 }}{{ $x := 1 }}{{ end }}`,
		`{{ range loop 1000000 }}{{ range loop 1000000 }}{{ range loop 1000000 }}{{ end }}{{ end }}{{ end }}`,
		`{{ define "a" }}{{ range 9223372036854775807 }}{{ end }}{{ end }}{{ executeTemplate "a" }}`,
		`{{ define "b" }}{{ if . }}{{ template "b" (subtract 1 .) }}{{ template "b" (subtract 1 .) }}{{ end }}{{ end }}{{ template "b" 100 }}`,
		`{{ key "missing" }}{{ range 9223372036854775807 }}{{ end }}`,
		`{{ plugin "sleep" "1000" }}`,
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		start := time.Now()
		r, err := mustParse(t, text).Execute(ctx, watch.NewStore())
		if !errors.Is(err, errStopped) || time.Since(start) > time.Minute || r.Output != nil {
			t.Errorf("%s: after %s: %v", text, time.Since(start), err)
		}
	}
}

func TestLocate(t *testing.T) {
	t.Parallel()
	text := "{{ key \"here\" }}\n  ü{{ \"b\" | key }}{{ range service \"web\" }}{{ end }}\n" +
		"{{ define \"x\" }}{{ key \"inside\" }}{{ end }}{{ executeTemplate \"x\" }}{{ plugin \"touch\" \"FILE\" }}{{ key \"w\" | writeToFile \"FILE\" \"\" \"\" \"0644\" }}" +
		"{{ if keyExists \"no\" }}{{ key \"not asked\" }}{{ end }}{{ range safeLs \"empty\" }}{{ end }}{{ index 1 2 }}{{ key \"behind the error\" }}"
	file := filepath.Join(t.TempDir(), "f")
	tmpl := mustParse(t, strings.ReplaceAll(text, "FILE", file))
	store := watch.NewStore()
	store.Put(keyQuery("here"), "x")
	empty := watch.Query{Kind: watch.KindPrefix, Name: "empty"}
	store.Put(empty, []*watch.KeyPair{})
	r, err := tmpl.Execute(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(file); err != nil { // by the plugin
		t.Fatal(err)
	}
	web, err := watch.ParseService("web")
	if err != nil {
		t.Fatal(err)
	}
	sought := []watch.Query{keyQuery("b"), web, keyQuery("inside"), keyQuery("w"), empty, keyQuery("not asked"), keyQuery("behind the error")}
	at := func(line, column int) Place { return Place{"test.tmpl", line, column} }
	lines := strings.Split(tmpl.text, "\n")
	want := map[watch.Query]Place{
		keyQuery("b"):      at(2, 13),
		web:                at(2, 28),
		keyQuery("inside"): at(3, 20),
		keyQuery("w"):      at(3, strings.Index(lines[2], `key "w"`)+1),
		empty:              at(3, strings.Index(lines[2], `safeLs`)+1),
	}
	if diff := cmp.Diff(want, located(tmpl, store, sought, len(want))); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("locating left a file behind")
	}
	if again, err := tmpl.Execute(t.Context(), store); err != nil || !cmp.Equal(r.Missing, again.Missing) {
		t.Errorf("changed by locating: %+v, %v", again, err)
	}
}

// located gives the places of queries, of which there should be so many. It looks some times: on a busy machine
// one look may end before it has found all.
func located(tmpl *Template, store *watch.Store, queries []watch.Query, want int) (got map[watch.Query]Place) {
	for range 20 {
		if got = tmpl.Locate(store, queries); len(got) >= want {
			break
		}
	}
	return got
}

func TestLocateIsBounded(t *testing.T) {
	t.Parallel()
	var queries []watch.Query
	text := ""
	for i := range 20 {
		name := fmt.Sprint("k", i)
		text += fmt.Sprintf("{{ key %q }}\n", name)
		queries = append(queries, keyQuery(name))
	}
	if got := located(mustParse(t, text), watch.NewStore(), queries, locateMost); len(got) != locateMost || got[queries[9]].String() != "test.tmpl:10:4" {
		t.Errorf("got %v", got)
	}
	start := time.Now()
	got := mustParse(t, `{{ range 9223372036854775807 }}{{ end }}{{ key "k1" }}`).Locate(watch.NewStore(), queries)
	if len(got) != 0 || time.Since(start) > 20*locateFor {
		t.Errorf("after %s: %v", time.Since(start), got)
	}
}
