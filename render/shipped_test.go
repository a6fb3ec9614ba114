package render

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ctmpl/ctmpl/templates"
	"github.com/ctmpl/ctmpl/watch"
)

// shippedTemplate parses a shipped template.
func shippedTemplate(t testing.TB, name string, vars map[string]string) *Template {
	t.Helper()
	text, err := templates.Source(name)
	if err != nil {
		t.Fatal(err)
	}
	syntax := Syntax{Format: FormatNginx}
	syntax.Funcs.Vars = vars
	tmpl, err := Parse(name, text, syntax)
	if err != nil {
		t.Fatal(err)
	}
	return tmpl
}

// estate is a catalog that changes at random.
type estate struct {
	*rand.Rand
	*watch.Store
	services map[string][]*watch.ServiceInstance
	keys     map[string]string
	index    uint64
}

func anyState(name string) watch.Query {
	return watch.Query{Kind: watch.KindService, Name: name, Params: "filter=any"}
}

// change changes something of a service, which may be there or not.
func (e *estate) change() {
	name := one(e.Rand, "a", "b", "c", "d-9999", "e-9999", "f", "G.h")
	list := slices.Clone(e.services[name])
	switch n := e.IntN(10); {
	case n < 3 || len(list) == 0:
		e.index++
		list = append(list, e.instance(name))
	case n < 5:
		i := e.IntN(len(list))
		list = slices.Delete(list, i, i+1)
	case n < 8:
		i := e.IntN(len(list))
		changed := e.instance(name)
		changed.ID, changed.CreateIndex = list[i].ID, list[i].CreateIndex
		list[i] = changed
	default:
		e.keys["release/"+name+"/canary"] = one(e.Rand, "0", "5", "50", "100", "abc", "-1")
	}
	watch.SortInstances(list)
	e.services[name] = list
	e.put(name)
}

func (e *estate) instance(name string) *watch.ServiceInstance {
	i := &watch.ServiceInstance{
		Name: name, ID: fmt.Sprint(e.index), Node: "n", Address: one(e.Rand, "10.0.0.1", "10.0.0.2", "bad"), Port: 8000 + e.IntN(3),
		CreateIndex: e.index, Status: one(e.Rand, "passing", "passing", "warning", "critical"), Tags: []string{one(e.Rand, "http", "http", "tcp", "grpc", "x")},
		ServiceMeta: map[string]string{"version": one(e.Rand, "v1", "v2", "")},
	}
	i.Weights.Passing = 1 + e.IntN(4)
	for key, values := range map[string][]string{
		"nginx_host": {"a.test", "b.test", "a.test,b.test", "no host"}, "nginx_path": {"/x", "/y/", "x"}, "nginx_listen": {"9999", "80", "5"},
		"nginx_lb": {"least_conn", "ip_hash", "x"}, "nginx_backup": {"true", "x"}, "nginx_weight": {"2", "0"},
	} {
		if e.IntN(4) == 0 {
			i.ServiceMeta[key] = one(e.Rand, values...)
		}
	}
	return i
}

// put brings a service, the list of services and the keys into the store.
func (e *estate) put(name string) {
	e.Put(anyState(name), e.services[name])
	list, pairs := []*watch.ServiceSummary{}, []*watch.KeyPair{}
	for name, instances := range e.services {
		s := &watch.ServiceSummary{Name: name}
		for _, i := range instances {
			s.Tags = append(s.Tags, i.Tags...)
		}
		slices.Sort(s.Tags)
		s.Tags = slices.Compact(s.Tags)
		if len(instances) > 0 {
			list = append(list, s)
		}
	}
	for path, value := range e.keys {
		pairs = append(pairs, &watch.KeyPair{Path: path, Key: strings.TrimPrefix(path, "release/"), Value: value})
	}
	slices.SortFunc(list, func(a, b *watch.ServiceSummary) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(pairs, func(a, b *watch.KeyPair) int { return strings.Compare(a.Path, b.Path) })
	e.Put(watch.Query{Kind: watch.KindServices}, list)
	e.Put(watch.Query{Kind: watch.KindPrefix, Name: "release/"}, pairs)
}

// What a gateway has made of former catalogs makes no difference to what it makes of this.
func TestShippedGatewayRemembersNothingWrong(t *testing.T) {
	t.Parallel()
	const name = "@nginx/gateway.conf"
	for seed := range uint64(20) {
		e := &estate{Rand: rand.New(rand.NewPCG(seed, 1)), Store: watch.NewStore(), services: map[string][]*watch.ServiceInstance{}, keys: map[string]string{}}
		e.put("a")
		tmpl := shippedTemplate(t, name, nil)
		for step := range 40 {
			for range 1 + e.IntN(3) {
				e.change()
			}
			got, err := tmpl.Execute(t.Context(), e.Store)
			if err != nil {
				t.Fatalf("seed %d, step %d: %v", seed, step, err)
			}
			want, err := shippedTemplate(t, name, nil).Execute(t.Context(), e.Store)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want.Output), string(got.Output)); diff != "" {
				t.Fatalf("seed %d, step %d (-anew +got)\n%s", seed, step, diff)
			}
			if diff := cmp.Diff(want.Notes, got.Notes); diff != "" {
				t.Fatalf("seed %d, step %d: notes (-anew +got)\n%s", seed, step, diff)
			}
		}
	}
}

// gatewayFleet is a store with services of five instances for the gateway.
func gatewayFleet(services int) *fleet {
	f := newFleet(0)
	var list []*watch.ServiceSummary
	for n := range services {
		list = append(list, &watch.ServiceSummary{Name: fleetName(n), Tags: []string{"http"}})
		f.open(n)
	}
	f.Put(watch.Query{Kind: watch.KindServices}, list)
	return f
}

// open changes a service, or makes it, with a tag for the gateway.
func (f *fleet) open(n int) {
	v, _, _ := f.Get(f.change(n))
	list := slices.Clone(v.([]*watch.ServiceInstance))
	for k := range list {
		i := *list[k]
		i.Tags = []string{"http"}
		list[k] = &i
	}
	f.Put(anyState(fleetName(n)), list)
}

// A change of one service among many leaves the outputs for all others.
func TestShippedGatewayCostsWhatChanges(t *testing.T) {
	t.Parallel()
	tmpl, f := shippedTemplate(t, "@nginx/gateway.conf", nil), gatewayFleet(300)
	kept := func() map[*output]bool {
		if _, err := tmpl.Execute(t.Context(), f.Store); err != nil {
			t.Fatal(err)
		}
		all := map[*output]bool{}
		for _, l := range tmpl.memo.loops {
			for _, s := range l.kept {
				for _, o := range s.outputs {
					all[o] = true
				}
			}
		}
		return all
	}
	before := kept()
	f.open(7)
	made := 0
	for o := range kept() {
		if !before[o] {
			made++
		}
	}
	// The upstream is made anew; its site is as it was.
	if len(before) < 600 || made != 1 {
		t.Errorf("of %d outputs %d were made anew", len(before), made)
	}
}

func BenchmarkShippedGateway(b *testing.B) {
	tmpl, f := shippedTemplate(b, "@nginx/gateway.conf", nil), gatewayFleet(2000)
	if _, err := tmpl.Execute(b.Context(), f.Store); err != nil {
		b.Fatal(err)
	}
	for n := 0; b.Loop(); n++ {
		f.open(n % 2000)
		if _, err := tmpl.Execute(b.Context(), f.Store); err != nil {
			b.Fatal(err)
		}
	}
}

// An error within a part names the part and the line there, and who has called it.
func TestErrorsInPartsNameThePlace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{`{{ template "@nginx/tls" "a b" }}`, "own.tmpl: @nginx/tls:2:24: the value has white space"},
		{"\n" + `{{ template "@nginx/server" "x" }}`, "own.tmpl: @nginx/site:2:15: <.Listen>: can't evaluate field Listen in type string: in the line: listen {{ .Listen }};"},
		{"\n" + `x {{ template "@nginx/sever" "x" }}`, `own.tmpl:2:15: there is no template "@nginx/sever" in ctmpl: did you mean "@nginx/server"? (ctmpl templates lists them): in the line: x {{ template "@nginx/sever" "x" }}`},
		{`{{ executeTemplate "@nginx/tls" "a;b" }}`, "own.tmpl: @nginx/tls:2:24: the value has a ;"},
		{`{{ define "@nginx/tls" }}own{{ end }}{{ template "@nginx/tls" "a b" }}`, ""},
	} {
		tmpl, err := Parse("own.tmpl", c.text, Syntax{Format: FormatNginx})
		if err == nil {
			_, err = tmpl.Execute(t.Context(), watch.NewStore())
		}
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %s", c.text, err, c.want)
		}
	}
}
