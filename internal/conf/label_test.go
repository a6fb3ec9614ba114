package conf

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type pools struct {
	Shared
	Pools map[string]pool `conf:"pool"`
}

// Shared is what pools and a pool have in common.
type Shared struct {
	Port  *int `conf:"port" min:"1"`
	Spare int  `conf:"spare" min:"-1"`
}

type pool struct {
	Shared
	Pos   Pos
	Name  string          `conf:"name"`
	Parts map[string]pool `conf:"part"`
}

// show gives the names in pools, with their ports.
func show(p map[string]pool) map[string]any {
	all := map[string]any{}
	for name, one := range p {
		all[name] = map[string]any{"port": one.Port, "name": one.Name, "parts": show(one.Parts)}
	}
	return all
}

func decodePools(dst *pools, src string) error {
	v, err := Parse("a.hcl", []byte(src))
	if err != nil {
		return err
	}
	return (&Decoder{}).Decode(v, dst, "")
}

func TestLabels(t *testing.T) {
	const want = `{"port": 1, "pool": {"a": {"port": 2, "name": "x"}, "b*": {"part": {"c": {"port": 3}}}}}`
	var expected pools
	if err := decodePools(&expected, want); err != nil || *expected.Port != 1 || *expected.Pools["a"].Port != 2 || len(expected.Pools["b*"].Parts) != 1 {
		t.Fatalf("got %+v, %v", expected, err)
	}
	for _, src := range []string{
		`port = 1 pool "a" { port = 2 name = "x" } pool "b*" { part "c" { port = 3 } }`,
		`port = 1 pool a { port = 2 name = "x" } pool "b*" { part { c { port = 3 } } }`,
		`port = 1 pool { a { port = 2 name = "x" } "b*" = { part = { c = { port = 3 } } } }`,
		`port = 1 pool = [{ a = [{ port = 2 name = "x" }] }, { "b*" { part c { port = 3 } } }]`,
		`{"port": 1, "pool": [{"a": {"port": 2, "name": "x"}}, {"b*": [{"part": [{"c": [{"port": 3}]}]}]}]}`,
		`{"port": 1, "pool": {"a": {"port": 2, "name": "x"}}, "pool": {"b*": {"part": {"c": {"port": 3}}}, "d": null}}`,
	} {
		var got pools
		if err := decodePools(&got, src); err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		if diff := cmp.Diff(show(expected.Pools), show(got.Pools)); diff != "" || *got.Port != 1 {
			t.Errorf("%s\n(-want +got)\n%s", src, diff)
		}
	}
}

// Blocks with one label merge over several files, as blocks without do.
func TestLabelsOfSeveralFiles(t *testing.T) {
	var p pools
	if err := decodePools(&p, `pool "a" { port = 1 name = "x" part "p" { port = 5 } } pool "b" {}`); err != nil {
		t.Fatal(err)
	}
	before := p
	if err := decodePools(&p, "\npool \"a\" { port = 2 part \"q\" {} } pool \"c\" {}"); err != nil {
		t.Fatal(err)
	}
	a := p.Pools["a"]
	if len(p.Pools) != 3 || *a.Port != 2 || a.Name != "x" || len(a.Parts) != 2 || a.Pos != (Pos{"a.hcl", 2, 10}) {
		t.Errorf("got %+v", p)
	}
	if a := before.Pools["a"]; len(before.Pools) != 2 || *a.Port != 1 || len(a.Parts) != 1 {
		t.Errorf("the copy has changed, too: %+v", before)
	}
}

func TestWrongLabels(t *testing.T) {
	for src, want := range map[string]string{
		"pool \"a\" {}\npool \"a\" {}":       "a.hcl:2:6: pool.a: comes twice, for the first time at a.hcl:1:6: give each a name of its own",
		`{"pool": {"a": [{}, {}]}}`:          "a.hcl:1:11: pool.a: comes twice",
		`pool { port = 1 }`:                  `a.hcl:1:8: pool: want blocks with a name each: pool "name" { … }`,
		`pool "x" { part { port = 1 } }`:     `a.hcl:1:19: pool.x.part: want blocks with a name each: part "name" { … }`,
		`pool = "a"`:                         "a.hcl:1:8: pool: want a block, got a string",
		`pool "" {}`:                         "a.hcl:1:6: pool: the name is empty",
		`pool "a" "b" {}`:                    `a.hcl:1:10: "a" takes no label`,
		`pool "a" { pport = 1 }`:             `a.hcl:1:12: unknown key "pport" in pool.a: did you mean "port"?`,
		`pool "a" { port = "x" }`:            "a.hcl:1:19: pool.a.port: want a whole number, got a string",
		`pool "a" { port = 0 }`:              "a.hcl:1:19: pool.a.port: want 1 or more",
		`port = -1`:                          "a.hcl:1:8: port: want 1 or more",
		`spare = "-2"`:                       "a.hcl:1:9: spare: want -1 or more",
		`{"pool": {"a": {"spare": -2.0}}}`:   "a.hcl:1:26: pool.a.spare: want -1 or more",
		"pool \"a\" {\n b = 1\n}\ncol = 2\n": "a.hcl:2:2: unknown key \"b\" in pool.a\na.hcl:4:1: unknown key \"col\": did you mean",
	} {
		var p pools
		if err := decodePools(&p, src); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n got %v\nwant %s", src, err, want)
		}
	}
	var p pools
	if err := decodePools(&p, `spare = -1 pool "a" { spare = 0 }`); err != nil || p.Spare != -1 {
		t.Errorf("got %+v, %v", p, err)
	}
}
