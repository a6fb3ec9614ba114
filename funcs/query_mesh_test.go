package funcs

import (
	"slices"
	"strings"
	"testing"
	"text/template"

	"github.com/ctmpl/ctmpl/watch"
)

// answers is a Reader with the answers of a test, by what a query is written as.
type answers struct {
	known map[string]any
	asked []string
}

func (a *answers) Read(q watch.Query) (any, bool) {
	a.asked = append(a.asked, q.String())
	v, ok := a.known[q.String()]
	return v, ok
}

func (a *answers) Refuse(watch.Query) {}

// run executes a template with the functions of the mesh.
func (a *answers) run(text string) (string, error) {
	a.asked = nil
	tmpl, err := template.New("t").Funcs(helpers()).Funcs(meshFuncs(a)).Parse(text)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = tmpl.Execute(&b, nil)
	return b.String(), err
}

func TestMesh(t *testing.T) {
	a := &answers{known: map[string]any{
		`connect "web"`:        []*watch.ServiceInstance{{ID: "p1"}},
		`connect "v1.web|any"`: []*watch.ServiceInstance{{ID: "p1"}, {ID: "p2"}},
		`caRoots`:              []*watch.CARoot{{ID: "r", Name: "CA", RootCertPEM: "PEM", Active: true, CreateIndex: 1, ModifyIndex: 2}},
		`caLeaf "web"`:         &watch.LeafCert{SerialNumber: "1", Service: "web"},
		`peerings`:             []*watch.Peering{{Name: "east", PeeringState: "ACTIVE"}},
		`partitions`:           []*watch.Partition{{Name: "default", Description: "d"}},
		`exportedServices "p"`: []watch.ExportedService{{Service: "web", Consumers: watch.ResolvedConsumers{Peers: []string{"east"}, Partitions: []string{}}}},
		`importedServices`:     []watch.ImportedService{{Service: "db", Namespace: "n", SourcePartition: "p", SourcePeer: "east"}},
	}}
	for _, tc := range []struct{ text, want, asked string }{
		{`{{ range connect "web" }}{{ .ID }} {{ end }}`, "p1 ", `connect "web"`},
		{`{{ range connect "v1.web" "any" }}{{ .ID }} {{ end }}`, "p1 p2 ", `connect "v1.web|any"`},
		{`{{ connect | toJSON }}{{ connect "" | toJSON }}{{ connect "" "any" | toJSON }}`, "[][][]", ""},
		{`{{ connect "nope" | toJSON }}`, "[]", `connect "nope"`},
		{`{{ caRoots | toJSON }}`, `[{"ID":"r","Name":"CA","RootCert":"PEM","Active":true,"CreateIndex":1,"ModifyIndex":2}]`, "caRoots"},
		{`{{ caRoots "any" "thing" | len }}`, "1", "caRoots"},
		{`{{ caLeaf "web" "ignored" | toJSON }}`, `{"SerialNumber":"1","Service":"web","ServiceURI":"","ValidAfter":"0001-01-01T00:00:00Z","ValidBefore":"0001-01-01T00:00:00Z","CreateIndex":0,"ModifyIndex":0}`, `caLeaf "web"`},
		{`{{ with caLeaf "nope" }}x{{ else }}none{{ end }}`, "none", `caLeaf "nope"`},
		{`{{ caLeaf }}{{ caLeaf "" "web" }}`, "<no value><no value>", ""},
		{`{{ range peerings }}{{ .Name }} {{ .PeeringState }}{{ end }}{{ peerings "?partition=p" "" | toJSON }}`, "east ACTIVE[]", `peerings, peerings "?partition=p"`},
		{`{{ partitions | toJSON }}`, `[{"Name":"default","Description":"d"}]`, "partitions"},
		{`{{ exportedServices "p" | toJSON }}{{ exportedServices | toJSON }}`, `[{"Service":"web","Partition":"","Namespace":"","Consumers":{"Peers":["east"],"Partitions":[]}}][]`, `exportedServices "p", exportedServices`},
		{`{{ importedServices | toJSON }}{{ range importedServices "" }}{{ .SourcePeer }}{{ end }}`, `[{"Service":"db","Namespace":"n","SourcePartition":"p"}]east`, "importedServices, importedServices"},
	} {
		got, err := a.run(tc.text)
		if asked := strings.Join(a.asked, ", "); err != nil || got != tc.want || asked != tc.asked {
			t.Errorf("%s\n got %q, %v, and asked %s\nwant %q, and %s", tc.text, got, err, asked, tc.want, tc.asked)
		}
	}
}

func TestMeshRefuses(t *testing.T) {
	a := &answers{}
	for text, want := range map[string]string{
		`{{ connect "web|nonsense" }}`:        `connect: cannot read "web|nonsense": unknown filter "nonsense": known are any, passing, warning, critical, maintenance`,
		`{{ connect "web" "any" "warning" }}`: `connect: cannot read "web|any|warning": want [tag.]name[?ns=…][@dc][~near][|filter,…]`,
		`{{ peerings "p" }}`:                  `peerings: cannot read "p": want [?partition=…]`,
		`{{ exportedServices "a" "b" }}`:      "exportedServices: 2 arguments, want none or one",
		`{{ importedServices "" "" }}`:        "importedServices: 2 arguments, want none or one",
		`{{ partitions "x" }}`:                "wrong number of args for partitions: want 0 got 1",
		`{{ caLeaf 3 }}`:                      "expected string; found 3",
	} {
		if _, err := a.run(text); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s\n got %v\nwant %s", text, err, want)
		}
		if len(a.asked) > 0 {
			t.Errorf("%s asks %s", text, a.asked)
		}
	}
}

func TestMeshIsNotLater(t *testing.T) {
	for name := range meshFuncs(nil) {
		if Later(name) || !slices.Contains(Names(), name) {
			t.Errorf("%s is said to come later", name)
		}
	}
}
