package render

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"text/template"

	"github.com/google/go-cmp/cmp"

	"github.com/ctmpl/ctmpl/watch"
)

// call writes a call of a template.
func (a *author) call(dot kind) {
	var names []string
	for n := range a.defs {
		for _, of := range []kind{"text", "summary", "instance", "nil"} {
			if name := fmt.Sprintf("%s%d", of, n); strings.Contains(a.String(), `{{ define "`+name+`" }}`) && (of == dot || of == "nil") {
				names = append(names, name)
			}
		}
	}
	switch {
	case len(names) == 0 || a.IntN(6) == 0:
		fmt.Fprintf(a, `{{ template "rec" (%s) }}`, a.scalar(dot))
	case a.IntN(3) == 0:
		fmt.Fprintf(a, `{{ executeTemplate %q . | toLower }}`, one(a.Rand, names...))
	default:
		fmt.Fprintf(a, `{{ template %q . }}`, one(a.Rand, names...))
	}
}

// odd writes what is not to be kept, or fails.
func (a *author) odd(dot kind) {
	fmt.Fprint(a, one(a.Rand,
		`{{ scratch.Set "n" (print (scratch.Get "n") "x") }}{{ scratch.Get "n" | len }}`,
		fmt.Sprintf(`{{ scratch.SetX "s" (%s) }}{{ scratch.Get "s" }}`, a.scalar(dot)),
		fmt.Sprintf(`{{ $d := dict }}{{ $_ := set $d "a" (%s) }}{{ $d.a }}`, a.scalar(dot)),
		fmt.Sprintf(`{{ %s | writeToFile "%s/f" "" "" "0644" "append" }}`, a.scalar(dot), a.dir),
		`{{ configVersion }}`,
		`{{ $s := scratch }}{{ range services }}{{ $_ := $s.Set "q" .Name }}{{ .Name | toLower }}{{ end }}{{ scratch.Get "q" | print | toLower }}`,
		`{{ $l := list (dict "n" "0") }}{{ range loop 2 }}{{ range services }}{{ (index $l 0).n }}{{ $_ := set (index $l 0) "n" .Name }}{{ end }}{{ end }}`,
		`{{ (index (service "web") 1).Port }}`,
		fmt.Sprintf(`{{ if eq (key "k/b") "bad" }}{{ fail "it is bad" }}{{ end }}%s`, a.scalar(dot)),
		`{{ if eq (key "k/a") "bad" }}{{ range 3.5 }}{{ end }}{{ end }}`,
		`{{ range $k, $v := byPort (service "web") }}{{ $k }}{{ range $v }}{{ .ID | toLower }}{{ end }}{{ end }}`,
		`{{ range $k, $v := tree "small" | explode }}{{ $k }}={{ $v }}{{ end }}`,
		`{{ range services }}{{ range tree "big" }}{{ .Key }}{{ key "k/a" | toLower }}{{ end }}{{ range service .Name }}{{ .ID | toLower }}{{ end }}{{ end }}`,
		fmt.Sprintf(`{{ $x := "" }}{{ range services }}{{ $x = print $x (%s) }}{{ end }}{{ $x }}`, a.scalar("summary")),
		`{{ range $i, $s := services }}{{ if eq $s.Name "web" }}{{ break }}{{ end }}{{ $i }}{{ range service .Name }}{{ if eq .Port 3 }}{{ continue }}{{ end }}{{ .ID | toLower }}{{ else }}{{ break }}{{ end }}{{ else }}none{{ end }}`,
	))
}

// world is a store that changes at random.
type world struct {
	*rand.Rand
	*watch.Store
}

func (w *world) step() {
	if w.IntN(40) == 0 {
		w.Keep(func(watch.Query) bool { return w.IntN(9) > 0 })
	}
	for range 1 + w.IntN(3) {
		w.change(one(w.Rand, w.queries()...))
	}
}

func (w *world) queries() []watch.Query {
	all := []watch.Query{{Kind: watch.KindServices}, {Kind: watch.KindPrefix, Name: "big"}, {Kind: watch.KindPrefix, Name: "small"}, keyQuery("list")}
	for _, name := range []string{"a", "b", "web", "web|any", "c"} {
		q, _ := watch.ParseService(name)
		all = append(all, q, q) // they change most
	}
	for _, name := range []string{"k/a", "k/b", "k/c", "k/web"} {
		all = append(all, keyQuery(name), watch.Query{Kind: watch.KindLookup, Name: name})
	}
	return all
}

func (w *world) change(q watch.Query) {
	v, _, ok := w.Get(q)
	switch n := w.IntN(60); {
	case n == 0:
		w.Drop(q)
	case n < 6 && ok: // a new revision of the same
		w.Drop(q)
		w.Put(q, v)
	default:
		w.Put(q, w.value(q))
	}
}

func (w *world) value(q watch.Query) any {
	switch q.Kind {
	case watch.KindServices:
		return some(w, []string{"a", "b", "c", "web"}, func(name string) *watch.ServiceSummary {
			return &watch.ServiceSummary{Name: name, Tags: []string{one(w.Rand, "x", "y"), "z"}}
		})
	case watch.KindService:
		return some(w, []string{"1", "2", "3"}, func(id string) *watch.ServiceInstance {
			return &watch.ServiceInstance{ID: id, Name: q.Name, Node: "n" + id, Port: w.IntN(4), Address: one(w.Rand, "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "x y"), Tags: []string{one(w.Rand, "x", "y")}}
		})
	case watch.KindPrefix:
		keys := []string{"a", "b", "c/d", "e"}
		if q.Name == "big" {
			for i := range sharedFrom + 6 {
				keys = append(keys, fmt.Sprintf("f%02d", i))
			}
		}
		return some(w, keys, func(key string) *watch.KeyPair {
			return &watch.KeyPair{Path: q.Name + "/" + key, Key: key, Value: one(w.Rand, "1", "a", "b")}
		})
	case watch.KindLookup:
		return watch.Lookup{Found: w.IntN(2) == 0, Value: one(w.Rand, "", "a", "1")}
	}
	return one(w.Rand, "a", "b", "web", "a", "b", "web", "bad", "a,b,a", "web,b")
}

// some makes a list of values for most of the names.
func some[E any](w *world, names []string, make func(string) *E) []*E {
	list := []*E{}
	for _, name := range names {
		if w.IntN(9) > 0 {
			list = append(list, make(name))
		}
	}
	return list
}

// seen is what an execution is to have in common with a plain one.
type seen struct {
	Output, Err, Version string
	Used, Missing        map[string]uint64
	Writes               []string
	Facts                any
}

func seeing(r Result, err error) seen {
	s := seen{Output: string(r.Output), Version: r.Version, Used: map[string]uint64{}, Missing: map[string]uint64{}}
	if s.Facts = r.Facts; err != nil {
		s.Err = err.Error()
	}
	for q, read := range r.Used {
		s.Used[q.String()] = read.Revision
	}
	for _, f := range r.Writes {
		s.Writes = append(s.Writes, fmt.Sprintf("%s %v %q %s", f.Path, f.Append, f.Content, f.Why))
	}
	for q, rev := range r.Missing {
		s.Missing[q.String()] = rev
	}
	return s
}

// counting counts the calls of toLower.
func counting(n *int) template.FuncMap {
	return template.FuncMap{"toLower": func(v any) string { *n++; return strings.ToLower(fmt.Sprint(v)) }}
}

// TestAMemoMakesNoDifference executes random templates after random changes with what
// was kept, and plainly.
func TestAMemoMakesNoDifference(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	kept, plain, complete, waiting, failed := 0, 0, 0, 0, 0
	for seed := range uint64(seeds) {
		r := rand.New(rand.NewPCG(seed, 7))
		a := &author{Rand: r, dir: dir}
		syntax := Syntax{Format: one(r, "", "", FormatNginx), FailOnMissingKey: r.IntN(9) == 0, MaxOutput: one(r, int64(100_000), 100_000, 3000)}
		text := a.file()
		tmpl, err := Parse("test.tmpl", text, syntax)
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, text)
		}
		tmpl.parsed.Funcs(counting(&plain))
		if tmpl.memo != nil {
			tmpl.memo.parsed.Funcs(counting(&kept))
		}
		w := &world{Rand: r, Store: watch.NewStore()}
		for _, q := range slices.Concat(w.queries(), w.queries()) {
			w.change(q)
		}
		for step := range 12 {
			got := seeing(tmpl.Execute(t.Context(), w.Store))
			want := seeing(plainly(t.Context(), tmpl, w.Store))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("seed %d, step %d (-plain +kept)\n%s\n%s", seed, step, diff, text)
			}
			switch {
			case len(got.Missing) > 0:
				waiting++
			case got.Err != "":
				failed++
			default:
				complete++
			}
			w.step()
		}
	}
	t.Logf("%d calls, plainly %d; %d complete, %d waiting, %d failed", kept, plain, complete, waiting, failed)
}
