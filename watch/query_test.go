package watch_test

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ctmpl/ctmpl/watch"
)

// parsers are the functions that read an argument, by the template function that
// String names.
var parsers = map[string]func(string) (watch.Query, error){
	"service":   watch.ParseService,
	"services":  watch.ParseServices,
	"nodes":     watch.ParseNodes,
	"node":      watch.ParseNode,
	"key":       func(s string) (watch.Query, error) { return watch.ParseKey("key", watch.KindKey, s) },
	"keyExists": func(s string) (watch.Query, error) { return watch.ParseKey("keyExists", watch.KindLookup, s) },
	"ls":        func(s string) (watch.Query, error) { return watch.ParsePrefix("ls", s) },
	"file":      func(s string) (watch.Query, error) { return watch.ParseFile(s, "") },
	"connect":   watch.ParseConnect,
	"peerings":  watch.ParsePeerings,
	"caLeaf":    func(s string) (watch.Query, error) { return watch.Query{Kind: watch.KindLeaf, Name: s}, nil },

	"exportedServices": func(s string) (watch.Query, error) { return watch.ParsePartition(watch.KindExported, s), nil },
	"importedServices": func(s string) (watch.Query, error) { return watch.ParsePartition(watch.KindImported, s), nil },
}

// dict are parameters.
type dict = map[string]string

func TestParse(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		fn, arg, name string
		params        dict
	}{
		{"service", "web", "web", dict{"filter": "passing"}},
		{"service", "http.web", "web", dict{"tag": "http", "filter": "passing"}},
		{"service", "v1.2.web", "web", dict{"tag": "v1.2", "filter": "passing"}},
		{"service", "env=prod:eu.web-2_x", "web-2_x", dict{"tag": "env=prod:eu", "filter": "passing"}},
		{"service", "-._.web", "web", dict{"tag": "-._", "filter": "passing"}},
		{"service", "..web", "web", dict{"tag": ".", "filter": "passing"}},
		{"service", "web@dc1", "web", dict{"dc": "dc1", "filter": "passing"}},
		{"service", "web@dc.1-a_b", "web", dict{"dc": "dc.1-a_b", "filter": "passing"}},
		{"service", "web~_agent", "web", dict{"near": "_agent", "filter": "passing"}},
		{"service", "web|any", "web", dict{"filter": "any"}},
		{"service", "web|warning,passing", "web", dict{"filter": "passing,warning"}},
		{"service", "web|passing,warning", "web", dict{"filter": "passing,warning"}},
		{"service", "web|critical,,critical,maintenance,", "web", dict{"filter": "critical,maintenance"}},
		{"service", "web|passing", "web", dict{"filter": "passing"}},
		{"service", "web|,", "web", dict{"filter": ","}},
		{"service", "web|,,,", "web", dict{"filter": ","}},
		{"service", "web?ns=a&partition=b&peer=c", "web", dict{"ns": "a", "partition": "b", "peer": "c", "filter": "passing"}},
		{"service", "web?sameness-group=g", "web", dict{"sameness-group": "g", "filter": "passing"}},
		{"service", "web?ns=a&ns=b&&partition=", "web", dict{"ns": "a", "filter": "passing"}},
		{"service", "web?ns=a=b", "web", dict{"ns": "a=b", "filter": "passing"}},
		{"service", "web?ns", "web", dict{"filter": "passing"}},
		{"service", "a.b.web?ns=n&peer=p@dc2~node-1|warning,any", "web",
			dict{"tag": "a.b", "ns": "n", "peer": "p", "dc": "dc2", "near": "node-1", "filter": "any,warning"}},

		{"services", "", "", nil},
		{"services", "@dc1", "", dict{"dc": "dc1"}},
		{"services", "?ns=a@dc1", "", dict{"ns": "a", "dc": "dc1"}},
		{"services", "?peer=p&sameness-group=g&partition=x", "", dict{"partition": "x"}},

		{"nodes", "", "", nil},
		{"nodes", "@dc1~_agent", "", dict{"dc": "dc1", "near": "_agent"}},
		{"nodes", "?partition=p~n", "", dict{"partition": "p", "near": "n"}},

		{"node", "", "", nil},
		{"node", "n1.example.com", "n1.example.com", nil},
		{"node", "n1?ns=a@dc1", "n1", dict{"ns": "a", "dc": "dc1"}},
		{"node", "n1?peer=p", "n1", nil},

		{"key", "a/b", "a/b", nil},
		{"key", "/a/b/", "a/b/", nil},
		{"key", "//a", "/a", nil},
		{"key", "/", "/", nil},
		{"key", "a b~c|any.ü\n", "a b~c|any.ü\n", nil},
		{"key", "a?ns=x@dc1", "a", dict{"ns": "x", "dc": "dc1"}},
		{"key", "a?peer=p&ns=x", "a", dict{"ns": "x"}},
		{"keyExists", "/a@dc1", "a", dict{"dc": "dc1"}},
		{"ls", "/foo", "foo", nil},
		{"ls", "foo/@dc1", "foo/", dict{"dc": "dc1"}},

		{"file", " /etc/x y ", "/etc/x y", nil},

		{"connect", "web", "web", dict{"filter": "passing"}},
		{"connect", "v1.web?ns=n&peer=p@dc2~n1|any", "web", dict{"tag": "v1", "ns": "n", "peer": "p", "dc": "dc2", "near": "n1", "filter": "any"}},
		{"peerings", "", "", nil},
		{"peerings", "?partition=a&ns=b&peer=c", "", dict{"partition": "a"}},
		{"peerings", "?partition=", "", nil},
		{"caLeaf", "/a b?ns=x@dc", "/a b?ns=x@dc", nil},
		{"exportedServices", "", "", nil},
		{"exportedServices", "a b@dc1|ü", "", dict{"partition": "a b@dc1|ü"}},
		{"importedServices", "/p", "", dict{"partition": "/p"}},
	} {
		t.Run(tc.fn+" "+tc.arg, func(t *testing.T) {
			q, err := parsers[tc.fn](tc.arg)
			if err != nil {
				t.Fatal(err)
			}
			if q.Name != tc.name {
				t.Errorf("name %q, want %q", q.Name, tc.name)
			}
			if diff := cmp.Diff(tc.params, params(t, q)); diff != "" {
				t.Errorf("parameters (-want +got)\n%s", diff)
			}
			roundTrip(t, q)
		})
	}
}

// params gives the parameters of a query, nil for none.
func params(t *testing.T, q watch.Query) dict {
	t.Helper()
	values, err := url.ParseQuery(q.Params)
	if err != nil {
		t.Fatal(err)
	}
	if values.Encode() != q.Params {
		t.Errorf("parameters %q are not in their one spelling", q.Params)
	}
	var out dict
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if out == nil {
			out = dict{}
		}
		out[name] = q.Param(name)
	}
	return out
}

// roundTrip reads what String gives.
func roundTrip(t *testing.T, q watch.Query) {
	t.Helper()
	fn, quoted, _ := strings.Cut(q.String(), " ")
	arg := ""
	if quoted != "" {
		var err error
		if arg, err = strconv.Unquote(quoted); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	if back, err := parsers[fn](arg); err != nil || back != q {
		t.Errorf("%#v is written as %s, which is read as %#v, %v", q, q, back, err)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for fn, args := range map[string][]string{
		"service": {"", ".web", "web.", "we b", "web@", "web~", "web|", "web?", "@dc1", "~near", "|any", "web@dc1?ns=x", "web~near@dc1", "web|any~near",
			"web|any@dc1", "web|nonsense", "web|Passing", "web|any |", "web?nope=1", "web?ns=a;b", "web?ns=a%20b", "web?peer=a&sameness-group=b", "ü", "web\n", "a/b", "t ag.web"},
		"services": {"web", "@", "@a@b", "~n", "?", "?dc=1", "@dc1?ns=x", " "},
		"nodes":    {"web", "@", "~", "~n@dc1", "?filter=x", "@dc/1"},
		"node":     {"a b", "@dc1", "?ns=x", "a~near", "a|any", "a/b", "a@", "a?"},
		"key":      {"", "@dc1", "?ns=x", "a@", "a?", "a?near=x", "a@dc1?ns=x", "a@b@c", "a?ns=x?ns=y"},
		"ls":       {"", "@dc1", "a?b", "a@b c"},
		"file":     {"", " ", "\n"},
		"connect":  {"", ".web", "web|nonsense", "web?nope=1", "web?peer=a&sameness-group=b", "web\n"},
		"peerings": {"p", "?", "?dc=x", "?partition=a b", "?partition=a@dc1", "partition=a", " "},
	} {
		for _, arg := range args {
			t.Run(fn+" "+arg, func(t *testing.T) {
				q, err := parsers[fn](arg)
				if err == nil {
					t.Fatalf("taken, as %#v", q)
				}
				if q != (watch.Query{}) {
					t.Errorf("an error and a query: %#v", q)
				}
				if !strings.HasPrefix(err.Error(), fn+": ") || strings.Contains(err.Error(), "\n") {
					t.Errorf("the error does not name the function, or is several lines: %v", err)
				}
			})
		}
	}
}

func TestParseErrorsSayWhatIsKnown(t *testing.T) {
	t.Parallel()
	for arg, want := range map[string]string{
		"web|up,any":                   `service: cannot read "web|up,any": unknown filter "up": known are any, passing, warning, critical, maintenance`,
		"web?zone=a":                   `service: cannot read "web?zone=a": unknown parameter "zone": known are ns, partition, peer, sameness-group`,
		"we b":                         `service: cannot read "we b": want [tag.]name[?ns=…][@dc][~near][|filter,…]`,
		"web?peer=a&sameness-group=b":  `service: "web?peer=a&sameness-group=b" has both peer and sameness-group: give one of them`,
		"web?b=1&a=1&ns=x&c=1&d=1&e=1": `unknown parameter "a"`, // the same one each time
	} {
		for range 5 {
			if _, err := watch.ParseService(arg); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		}
	}
}

func TestParseFileInSandbox(t *testing.T) {
	t.Parallel()
	for path, ok := range map[string]bool{
		"/box/a": true, "/box/a/../b": true, "/box/": true, "/box/..a": true,
		"/box/../a": false, "/a": false, "/boxes/a": false, "a": false, "../a": false, "/box/..": false,
	} {
		q, err := watch.ParseFile(path, "/box")
		if (err == nil) != ok {
			t.Errorf("%s: %v", path, err)
		}
		if ok && (q.Name != path || q.Param("sandbox") != "/box") {
			t.Errorf("%s: %#v", path, q)
		}
	}
}

func TestSameQuestionIsSameQuery(t *testing.T) {
	t.Parallel()
	for _, same := range [][]string{
		{"web", "web|passing", "web|passing,", "web|,passing,passing"},
		{"web?ns=a&partition=b", "web?partition=b&ns=a", "web?partition=b&ns=a&peer="},
		{"web|any,warning", "web|warning,any,any"},
	} {
		first, _ := watch.ParseService(same[0])
		for _, arg := range same {
			if q, err := watch.ParseService(arg); q != first || err != nil {
				t.Errorf("%s gives %#v, %s gives %#v, %v", same[0], first, arg, q, err)
			}
		}
	}
}

func TestString(t *testing.T) {
	t.Parallel()
	for want, q := range map[string]watch.Query{
		`datacenters`:                           {Kind: watch.KindDatacenters},
		`datacenters true`:                      {Kind: watch.KindDatacenters, Params: "ignore-failing=true"},
		`services`:                              {Kind: watch.KindServices},
		`node`:                                  {Kind: watch.KindNode},
		`service "web"`:                         {Kind: watch.KindService, Name: "web", Params: "filter=passing"},
		`service "t.web?ns=a&peer=b@dc1~n|any"`: {Kind: watch.KindService, Name: "web", Params: "dc=dc1&filter=any&near=n&ns=a&peer=b&tag=t"},
		`keyExists "a/b@dc1"`:                   {Kind: watch.KindLookup, Name: "a/b", Params: "dc=dc1"},
		`ls "//a"`:                              {Kind: watch.KindPrefix, Name: "/a"},
		`file "/etc/x"`:                         {Kind: watch.KindFile, Name: "/etc/x", Params: "sandbox=%2Fetc"},
		`connect "t.web@dc1|any"`:               {Kind: watch.KindConnect, Name: "web", Params: "dc=dc1&filter=any&tag=t"},
		`caRoots`:                               {Kind: watch.KindRoots},
		`caLeaf "web"`:                          {Kind: watch.KindLeaf, Name: "web"},
		`caLeaf "/web"`:                         {Kind: watch.KindLeaf, Name: "/web"},
		`peerings "?partition=p"`:               {Kind: watch.KindPeerings, Params: "partition=p"},
		`partitions`:                            {Kind: watch.KindPartitions},
		`exportedServices`:                      {Kind: watch.KindExported},
		`importedServices "p"`:                  {Kind: watch.KindImported, Params: "partition=p"},
	} {
		if got := q.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestSetIsSorted(t *testing.T) {
	t.Parallel()
	want := []watch.Query{{Kind: "key", Name: "a"}, {Kind: "key", Name: "a", Params: "dc=x"}, {Kind: "key", Name: "b"}, {Kind: "node"}}
	set := watch.Set{}
	for _, i := range []int{2, 0, 3, 1, 0} {
		set.Add(want[i])
	}
	if got := set.Sorted(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAccepts(t *testing.T) {
	t.Parallel()
	states := []string{watch.StatusPassing, watch.StatusWarning, watch.StatusCritical, watch.StatusMaintenance, ""}
	for arg, want := range map[string][]string{
		"web":                      {"passing"},
		"web|any":                  states,
		"web|warning":              {"warning"},
		"web|passing,warning":      {"passing", "warning"},
		"web|maintenance,critical": {"critical", "maintenance"},
		"web|critical,any":         states,
		"web|,":                    nil,
	} {
		q, err := watch.ParseService(arg)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range states {
			if q.Accepts(s) {
				got = append(got, s)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s takes %q, want %q", arg, got, want)
		}
		if q.PassingOnly() != (arg == "web") {
			t.Errorf("%s: PassingOnly is %v", arg, q.PassingOnly())
		}
	}
}

func FuzzParse(f *testing.F) {
	for fn := range parsers {
		for _, arg := range []string{
			"", "web", "a.b.web?ns=n&peer=p@dc2~near|any,warning", "?ns=a@dc1~n", "//a/b?partition=p@dc", "web|,,", "web?ns=&ns=x", "/", " x\n", "ü\xff\x00",
			"web|passing,passing", "k=v:w.web", "@dc", "~n", "web?sameness-group=g",
		} {
			f.Add(fn, arg)
		}
	}
	f.Fuzz(func(t *testing.T, fn, arg string) {
		parse := parsers[fn]
		if parse == nil {
			t.Skip()
		}
		q, err := parse(arg)
		if err != nil {
			if q != (watch.Query{}) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%q: %#v, %v", arg, q, err)
			}
			return
		}
		params(t, q)
		roundTrip(t, q)
	})
}
