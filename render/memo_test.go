package render

import (
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ctmpl/ctmpl/watch"
)

// watched counts what the bodies of a template's loops call: toLower.
func watched(t *testing.T, text string) (tmpl *Template, calls *int) {
	t.Helper()
	tmpl, calls = mustParse(t, text), new(int)
	if tmpl.memo == nil {
		t.Fatal("nothing is kept")
	}
	tmpl.memo.parsed.Funcs(counting(calls))
	return tmpl, calls
}

// After one change just that is executed for which there is a change.
func TestAChangeCostsWhatChanged(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, text string
		want       int
	}{
		{"instances", `{{ range service "svc-00003" }}{{ .ID | toLower }}{{ end }}`, 1},
		{"services", `{{ range services }}{{ range service .Name }}{{ .ID | toLower }}{{ end }}{{ end }}`, 5},
		{"else", `{{ range services }}{{ range service .Name }}{{ .ID | toLower }}{{ else }}none{{ end }}{{ else }}none{{ end }}`, 5},
		{"variables", `{{ $zone := "a" }}{{ range $n, $s := services }}{{ $name := .Name }}{{ with service $name }}{{ $n }}{{ $zone }}{{ range . }}{{ .ID | toLower }}{{ end }}{{ end }}{{ end }}`, 5},
		{"templates", `{{ define "s" }}{{ range service .Name }}{{ .ID | toLower }}{{ end }}{{ end }}{{ range services }}{{ template "s" . }}{{ executeTemplate "s" . }}{{ end }}`, 10},
		{"within a long one", `{{ range list "a" "b" }}{{ $x := . }}{{ range services }}{{ $x }}{{ range service .Name }}{{ .ID | toLower }}{{ end }}{{ end }}{{ end }}`, 10},
		{"within groups", `{{ range $tag, $list := services | byTag }}{{ range $list }}{{ range service .Name }}{{ .ID | toLower }}{{ end }}{{ end }}{{ end }}`, 5}, // they have the same services
		{"after a break", `{{ range services }}{{ .Name }}{{ break }}{{ end }}{{ range services }}{{ .Name | toLower }}{{ end }}`, 0},
		{"with a break", `{{ range services }}{{ if eq .Name "svc-00050" }}{{ break }}{{ end }}{{ range service .Name }}{{ .ID | toLower }}{{ end }}{{ end }}`, 5},
		{"a map that the body makes", `{{ range services }}{{ $d := dict }}{{ range service .Name }}{{ $_ := set $d "a" .ID }}{{ end }}{{ $d.a | toLower }}{{ end }}`, 1},
		{"not with a variable that it sets", `{{ $n := 0 }}{{ range services }}{{ $n = add $n 1 }}{{ .Name | toLower }}{{ end }}{{ range services }}{{ end }}`, 100},
		{"not with scratch", `{{ range services }}{{ scratch.Set "a" .Name }}{{ .Name | toLower }}{{ end }}{{ range services }}{{ end }}`, 100},
		{"not with a map from outside", `{{ $d := dict }}{{ range services }}{{ $_ := set $d .Name 1 }}{{ .Name | toLower }}{{ end }}`, 100},
	} {
		tmpl, calls := watched(t, tc.text)
		f := newFleet(100)
		for step := range 3 {
			f.change(3)
			*calls = 0
			got, want := seeing(tmpl.Execute(t.Context(), f.Store)), seeing(plainly(t.Context(), tmpl, f.Store))
			if diff := cmp.Diff(want, got); diff != "" || got.Output == "" {
				t.Errorf("%s: (-plain +kept)\n%s", tc.name, diff)
			}
			if step > 0 && *calls != tc.want {
				t.Errorf("%s: %d calls, want %d", tc.name, *calls, tc.want)
			}
		}
	}
}

// A service that comes and goes is no reason to execute anything for the others.
func TestAServiceThatComesCostsNoOther(t *testing.T) {
	t.Parallel()
	tmpl, calls := watched(t, `{{ range services }}{{ range service .Name }}{{ .ID | toLower }}{{ end }}{{ end }}`)
	f := newFleet(100)
	q := watch.Query{Kind: watch.KindServices}
	v, _, _ := f.Get(q)
	all := v.([]*watch.ServiceSummary)
	for step, tc := range []struct {
		services []*watch.ServiceSummary
		calls    int
		moved    bool
	}{
		{all[:99], 99 * 5, true},
		{all, 5, true},
		{all[:50], 0, true},
		{all, 50 * 5, true}, // those that were gone are forgotten
		{all[1:], 0, true},
		{all[1:50], 0, true},
	} {
		*calls = 0
		f.Put(q, tc.services)
		r, err := tmpl.Execute(t.Context(), f.Store)
		if err != nil || *calls != tc.calls || r.Moved != tc.moved || len(r.Used) != len(tc.services)+1 || len(r.Facts.Services) != len(tc.services) {
			t.Errorf("step %d: %d calls, want %d; %d queries, moved %v; %v", step, *calls, tc.calls, len(r.Used), r.Moved, err)
		}
	}
	if r, err := tmpl.Execute(t.Context(), f.Store); err != nil || r.Moved {
		t.Errorf("nothing has changed: %+v, %v", r.Moved, err)
	}
	if n := tmpl.kept(); n != 49 {
		t.Errorf("%d outputs are kept for 49 services", n)
	}
}

// kept is how many outputs are kept.
func (t *Template) kept() int {
	n := 0
	for _, l := range t.memo.loops {
		for _, s := range l.kept {
			n += len(s.outputs)
		}
	}
	return n
}

// What is not used any more is forgotten, whether executions succeed, wait or fail.
func TestWhatIsKeptIsBounded(t *testing.T) {
	t.Parallel()
	for _, tail := range []string{"", `{{ key "none" }}`, `{{ fail "bad" }}`} {
		tmpl := mustParse(t, `{{ range services }}{{ range service .Name }}{{ .ID }}{{ end }}{{ end }}{{ range service "svc-00001" }}{{ .Port }}{{ end }}`+tail)
		f := newFleet(20)
		for range 200 {
			f.change(1)
			_, err := tmpl.Execute(t.Context(), f.Store)
			if (err != nil) != strings.Contains(tail, "fail") {
				t.Fatal(err)
			}
			if n := tmpl.kept(); n > 25 {
				t.Fatalf("%q: %d outputs are kept for 20 services and 5 instances", tail, n)
			}
		}
	}
}

// What is kept of a template over many services is about as much as its output, and a
// record of what was read.
func TestWhatIsKeptIsSmall(t *testing.T) {
	const services, most = 2000, 1200 // bytes for each service, beside three times its output
	f := newFleet(services)
	tmpl := mustParse(t, shapes[0].text)
	before := heap()
	r, err := tmpl.Execute(t.Context(), f.Store)
	if err != nil {
		t.Fatal(err)
	}
	size := len(r.Output)
	r = Result{}
	if got, want := heap()-before, services*most+3*size; got > want {
		t.Errorf("%d bytes are kept for %d services and %d bytes of output, want at most %d", got, services, size, want)
	} else {
		t.Logf("%d bytes, %d for each service; the output has %d", got, got/services, size)
	}
	runtime.KeepAlive(tmpl)
	runtime.KeepAlive(f)
}

func heap() int {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return int(stats.HeapAlloc)
}

// A body that was executed near the surface may be too deep at another place.
func TestAnOutputTakesItsDepth(t *testing.T) {
	t.Parallel()
	tmpl := mustParse(t, `{{ define "x" }}{{ .ID }}{{ end }}{{ define "leaf" }}{{ range service "web" }}{{ range .Tags }}{{ end }}{{ template "x" . }}{{ end }}{{ end }}`+
		`{{ define "down" }}{{ if . }}{{ template "down" (slice . 1) }}{{ else }}{{ template "leaf" }}{{ end }}{{ end }}{{ template "leaf" }}{{ template "down" (key "depth") }}`)
	store := watch.NewStore()
	q, _ := watch.ParseService("web")
	store.Put(q, []*watch.ServiceInstance{{ID: "web-1"}})
	failed := 0
	for n := maxDepth - 6; n < maxDepth+2; n++ {
		store.Put(keyQuery("depth"), strings.Repeat("x", n))
		got, want := seeing(tmpl.Execute(t.Context(), store)), seeing(plainly(t.Context(), tmpl, store))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d deep: (-plain +kept)\n%s", n, diff)
		}
		if got.Err != "" {
			failed++
		}
	}
	if failed == 0 || failed == 8 {
		t.Errorf("%d of 8 have failed", failed)
	}
}

// Answers of one store are none of another.
func TestAnotherStoreIsAnotherTemplate(t *testing.T) {
	t.Parallel()
	tmpl := mustParse(t, `{{ range services }}{{ key .Name }}{{ end }}`)
	for i := range 3 {
		store := watch.NewStore()
		store.Put(watch.Query{Kind: watch.KindServices}, []*watch.ServiceSummary{{Name: "a"}})
		store.Put(keyQuery("a"), fmt.Sprint(i))
		if r, err := tmpl.Execute(t.Context(), store); err != nil || string(r.Output) != fmt.Sprint(i) {
			t.Errorf("store %d: %q, %v", i, r.Output, err)
		}
	}
}

// Nothing is kept of a template that runs a plugin: it would run twice after an error.
func TestAPluginRunsOnce(t *testing.T) {
	t.Parallel()
	if tmpl := mustParse(t, `{{ range services }}{{ .Name }}{{ end }}{{ plugin "true" }}`); tmpl.memo != nil {
		t.Error("there is a memo")
	}
}

// The scheduler hears of what templates read when that has changed, and not each time.
func TestWantIsToldWhatIsNew(t *testing.T) {
	t.Parallel()
	f := newFleet(3)
	f.Put(keyQuery("on"), "")
	var told []int
	text := `{{ range services }}{{ range service .Name }}{{ .Port }}{{ end }}{{ end }}{{ with key "on" }}{{ key . }}{{ end }}`
	e, err := New([]Spec{{Contents: text}}, Options{
		Store: f.Store, Show: io.Discard, Log: slog.New(slog.DiscardHandler), Want: func(set watch.Set) { told = append(told, len(set)) },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name   string
		change func()
		want   []int
	}{
		{"the first time", func() {}, []int{5}},
		{"a change", func() { f.change(1) }, nil},
		{"another query", func() { f.Put(keyQuery("on"), "more") }, []int{6}},
		{"its answer, to which it reads the same as while it waited", func() { f.Put(keyQuery("more"), "1") }, []int{6}},
		{"a change of it", func() { f.Put(keyQuery("more"), "2") }, nil},
		{"one query less", func() { f.Put(keyQuery("on"), "") }, []int{5}},
		{"a query that does not come while another one goes", func() {
			f.Put(watch.Query{Kind: watch.KindServices}, []*watch.ServiceSummary{{Name: fleetName(0)}})
			f.Put(keyQuery("on"), "none")
		}, []int{6}},
		{"back to what is complete", func() { f.Put(keyQuery("on"), "") }, []int{3}},
	} {
		told = nil
		tc.change()
		e.notice()
		e.render(t.Context())
		if !slices.Equal(told, tc.want) {
			t.Errorf("%s: told %v, want %v", tc.name, told, tc.want)
		}
	}
}
