package funcs

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ctmpl/ctmpl/watch"
)

func pairs(keysAndValues ...string) []*watch.KeyPair {
	list := []*watch.KeyPair{}
	for i := 0; i < len(keysAndValues); i += 2 {
		list = append(list, &watch.KeyPair{Path: "root/" + keysAndValues[i], Key: keysAndValues[i], Value: keysAndValues[i+1]})
	}
	return list
}

func TestByKey(t *testing.T) {
	data := pairs("es/a", "1", "es/b", "2", "redis/a/b", "3", "top", "4", "folder/", "5", "/lead", "6")
	before := pairs("es/a", "1", "es/b", "2", "redis/a/b", "3", "top", "4", "folder/", "5", "/lead", "6")
	checkHelpers(t, data, []helperCase{
		{
			text: `{{range $k, $ps := byKey .}}{{$k}}:{{range $n, $p := $ps}} {{$n}}={{$p.Key}}={{.Value}}={{.Path}}{{end}};{{end}}`,
			want: ": lead=lead=6=root//lead;es: a=a=1=root/es/a b=b=2=root/es/b;redis: a/b=a/b=3=root/redis/a/b;",
		},
		{text: `{{len (byKey nil)}}`, want: "0"},
	})
	if diff := cmp.Diff(before, data); diff != "" {
		t.Error("byKey changed its argument:\n", diff)
	}
}

func TestByPortAndByTag(t *testing.T) {
	data := map[string]any{
		"service": []*watch.ServiceInstance{
			{ID: "w1", Port: 80, Tags: []string{"a", "b"}},
			{ID: "w2", Port: 443, Tags: []string{"b"}},
			{ID: "w3", Port: 80},
		},
		"services": []*watch.ServiceSummary{{Name: "web", Tags: []string{"a", "b"}}, {Name: "db", Tags: []string{"b"}}},
		"none":     []*watch.ServiceInstance{},
	}
	checkHelpers(t, data, []helperCase{
		{text: `{{range $p, $s := byPort .service}}{{$p}}:{{range $s}} {{.ID}}{{end}};{{end}}`, want: "80: w1 w3;443: w2;"},
		{text: `{{range $t, $s := byTag .service}}{{$t}}:{{range $s}} {{.ID}}{{end}};{{end}}`, want: "a: w1;b: w1 w2;"},
		{text: `{{range $t, $s := byTag .services}}{{$t}}:{{range $s}} {{.Name}}{{end}};{{end}}`, want: "a: web;b: web db;"},
		{text: `{{printf "%T %T" (byPort .service) (byTag .service)}}`, want: "map[int][]interface {} map[string][]interface {}"},
		{text: `{{len (byPort nil)}}{{len (byTag nil)}}{{len (byPort .none)}}{{len (byTag .none)}}`, want: "0000"},
		{text: `{{byPort .services}}`, err: "byPort: want the result of service, got []*watch.ServiceSummary"},
		{text: `{{byPort "x"}}`, err: "byPort: want the result of service, got string"},
		{text: `{{byTag (sprig_list)}}`, err: "byTag: want the result of service or services, got []interface {}"},
	})
}

func TestByMeta(t *testing.T) {
	data := []*watch.ServiceInstance{
		{ID: "w1", ServiceMeta: map[string]string{"env": "dev", "shard": "1", "odd": "x y/é", "big": "123456", "neg": "-1"}},
		{ID: "w2", ServiceMeta: map[string]string{"env": "prod", "shard": "12", "odd": "a\xff"}},
		{ID: "w3", ServiceMeta: map[string]string{"env": "prod", "shard": ""}},
		{ID: "w4"},
	}
	groups := func(fields string) string {
		return `{{range $k, $s := . | byMeta "` + fields + `"}}{{$k}}:{{range $s}} {{.ID}}{{end}};{{end}}`
	}
	checkHelpers(t, data, []helperCase{
		{text: groups("env"), want: "_no_env_: w4;dev: w1;prod: w2 w3;"},
		{text: groups("env,shard|int"), want: "_no_env__00000: w4;dev_00001: w1;prod_00000: w3;prod_00012: w2;"},
		{text: groups("odd"), want: "_no_odd_: w3 w4;a_: w2;x_y__: w1;"},
		{text: groups("we ird"), want: "_no_we_ird_: w1 w2 w3 w4;"},
		{text: groups(""), want: "_no__: w1 w2 w3 w4;"},
		{text: groups("big|int"), want: "00000: w2 w3 w4;123456: w1;"},
		{text: groups("neg|int"), want: "-0001: w1;00000: w2 w3 w4;"},
		{text: groups("env|int"), err: `byMeta: service w1: the value of "env" is not an integer (3 bytes)`},
		{text: `{{len (byMeta "env" nil)}}`, want: "0"},
		{text: `{{byMeta "env" "x"}}`, err: `can't handle "x" for arg of type []*watch.ServiceInstance`},
	})
}
