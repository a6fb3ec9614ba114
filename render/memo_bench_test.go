package render

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/ctmpl/ctmpl/watch"
)

// shapes are templates over all services, as they are written mostly.
var shapes = []struct{ name, format, text string }{
	{"usual", "", `{{ range services }}
upstream {{ .Name }} {
  least_conn;{{ range service .Name }}
  server {{ .Address }}:{{ .Port }} max_fails=3 fail_timeout=60 weight=1;{{ else }}
  server 127.0.0.1:65535;{{ end }}
}
{{ end }}`},
	{"with", "", `{{ range services }}{{ $name := .Name }}{{ with service .Name }}{{ if ne $name "consul" }}
upstream {{ $name | toLower }} {
  least_conn;{{ range $i, $s := . }}
  server {{ .Address }}:{{ .Port }} max_fails=3 {{ if eq $i 0 }}backup {{ end }}weight={{ .Weights.Passing }};{{ end }}
}
{{ end }}{{ end }}{{ end }}`},
	{"template", "", `{{ define "upstream" }}
upstream {{ .Name }} {
  least_conn;{{ range service .Name }}{{ template "server" . }}{{ end }}
}
{{ end }}{{ define "server" }}
  server {{ .Address }}:{{ .Port }} max_fails=3 fail_timeout=60 weight=1;{{ end }}{{ range services }}{{ template "upstream" . }}{{ end }}`},
	{"nginx", FormatNginx, `{{ range services }}
upstream {{ nginxName .Name }} {
  least_conn;{{ range service .Name }}
  server {{ nginxServer . }} max_fails=3 fail_timeout=60 weight={{ nginxWeight . }};{{ else }}
  server 127.0.0.1:65535;{{ end }}
}
{{ end }}`},
}

// fleet is a store with services of five instances each.
type fleet struct {
	*watch.Store
	ports int
}

func newFleet(services int) *fleet {
	f := &fleet{Store: watch.NewStore()}
	var list []*watch.ServiceSummary
	for n := range services {
		list = append(list, &watch.ServiceSummary{Name: fleetName(n), Tags: []string{"a", "b"}})
		f.change(n)
	}
	f.Put(watch.Query{Kind: watch.KindServices}, list)
	return f
}

func fleetName(n int) string { return fmt.Sprintf("svc-%05d", n) }

// change changes the port of an instance of a service, or makes the service.
func (f *fleet) change(n int) watch.Query {
	q, _ := watch.ParseService(fleetName(n))
	f.ports++
	v, _, _ := f.Get(q)
	list, _ := v.([]*watch.ServiceInstance)
	list = slices.Clone(list)
	for i := len(list); i < 5; i++ {
		list = append(list, &watch.ServiceInstance{
			ID: fmt.Sprintf("%s-%d", fleetName(n), i), Name: fleetName(n), Node: fmt.Sprintf("node-%d", (n+i)%500),
			Address: fmt.Sprintf("10.%d.%d.%d", i, n/250, n%250), Port: 8000, Status: watch.StatusPassing,
		})
		list[i].Weights.Passing = 1
	}
	changed := *list[2]
	changed.Port = 20000 + f.ports%40000
	list[2] = &changed
	f.Put(q, list)
	return q
}

// plainly executes a template without what it remembers.
func plainly(ctx context.Context, t *Template, store *watch.Store) (Result, error) {
	x, output, err := t.attempt(ctx, newReads(store), nil)
	return x.result(ctx, output, err)
}

// changes measures what f does after each change of one service, in CPU time as well:
// the garbage collector works beside it.
func changes(b *testing.B, fleet *fleet, services int, f func() (output []byte, err error)) {
	b.ReportAllocs()
	var before time.Duration
	for i := -1; i < b.N; i++ {
		if i == 0 {
			b.ResetTimer()
			before = processTime()
		}
		fleet.change((i*37 + 41) % services)
		if output, err := f(); err != nil || len(output) < services*100 {
			b.Fatal(len(output), err)
		}
	}
	b.ReportMetric(float64((processTime()-before).Microseconds())/float64(b.N), "cpu-us/op")
}

// processTime is the CPU time of this process.
func processTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// An execution after one change of one service.
func BenchmarkExecute(b *testing.B) {
	for _, shape := range shapes {
		for _, n := range []int{150, 1000, 5000, 10000} {
			for _, how := range []struct {
				name    string
				execute func(context.Context, *Template, *watch.Store) (Result, error)
			}{
				{"memo", func(ctx context.Context, t *Template, s *watch.Store) (Result, error) { return t.Execute(ctx, s) }},
				{"plain", plainly},
			} {
				b.Run(fmt.Sprintf("%s/%d/%s", shape.name, n, how.name), func(b *testing.B) {
					tmpl, err := Parse("test.tmpl", shape.text, Syntax{Format: shape.format})
					if err != nil {
						b.Fatal(err)
					}
					f := newFleet(n)
					changes(b, f, n, func() ([]byte, error) {
						r, err := how.execute(b.Context(), tmpl, f.Store)
						return r.Output, err
					})
				})
			}
		}
	}
}

// All that the engine does between its wake and the output.
func BenchmarkEngine(b *testing.B) {
	for _, n := range []int{150, 1000, 5000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			f := newFleet(n)
			e, err := New([]Spec{{Contents: shapes[0].text}}, Options{Store: f.Store, Want: func(watch.Set) {}, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				b.Fatal(err)
			}
			changes(b, f, n, func() ([]byte, error) {
				e.notice()
				u := e.units[0]
				output, _ := e.execute(b.Context(), u)
				if e.moved = u.moved; e.moved {
					e.want()
				}
				u.moved, u.why = false, why{}
				return output, u.err
			})
		})
	}
}
