package render

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"

	"github.com/ctmpl/ctmpl/internal/servers"
	"github.com/ctmpl/ctmpl/watch"
)

func nginxDocs(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../docs/nginx-values.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What the page for template writers says of the functions is so.
func TestDocumentedFunctions(t *testing.T) {
	t.Parallel()
	rows := regexp.MustCompile("(?m)^\\| `((?:nginx|raw)[^`]+)` \\| `([^`]+)` \\|").FindAllStringSubmatch(nginxDocs(t), -1)
	if len(rows) != 18 {
		t.Errorf("%d functions", len(rows))
	}
	for _, row := range rows {
		r, err := nginxTemplate(t, `{{ with `+row[1]+` }}{{ raw . }}{{ end }}`).Execute(t.Context(), watch.NewStore())
		if err != nil || string(r.Output) != row[2] {
			t.Errorf("%s: got %q, %v, want %q", row[1], r.Output, err, row[2])
		}
	}
}

// The example gives what the page says, and nginx takes it.
func TestDocumentedExample(t *testing.T) {
	t.Parallel()
	blocks := regexp.MustCompile("(?s)```\n(.*?)```").FindAllStringSubmatch(nginxDocs(t), -1)
	if len(blocks) != 2 {
		t.Fatalf("%d blocks", len(blocks))
	}
	store := watch.NewStore()
	store.Put(watch.Query{Kind: watch.KindServices}, []*watch.ServiceSummary{{Name: "consul"}, {Name: "web", Tags: []string{"http"}}})
	store.Put(webQuery, []*watch.ServiceInstance{
		{ID: "web-1", Name: "web", Address: "10.0.0.1", Port: 8080, Status: watch.StatusPassing, Weights: api.AgentWeights{Passing: 20}},
		{ID: "web; 2", Name: "web", Address: "2001:db8::1", Port: 8080, Status: watch.StatusPassing, Weights: api.AgentWeights{Passing: 10}},
	})
	store.Put(keyQuery("nginx/listen"), "8000")
	for key, value := range map[string]string{"nginx/path": "", "nginx/motto": `5 $ "a day"`, "nginx/timeout": ""} {
		store.Put(watch.Query{Kind: watch.KindLookup, Name: key}, watch.Lookup{Found: value != "", Value: value})
	}
	r, err := nginxTemplate(t, blocks[0][1]).Execute(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.ReplaceAll(blocks[1][1], "VERSION", r.Version); string(r.Output) != want || r.Version == "" {
		t.Errorf("got\n%s\nwant\n%s", r.Output, want)
	}
	dir := t.TempDir()
	conf := "events {}\n" + strings.Replace(string(r.Output), "http {", "http {\n"+servers.HTTPTemp(dir), 1)
	if port, err := servers.FreePort(); err != nil {
		t.Fatal(err)
	} else if err := nginxTest(t, dir, strings.Replace(conf, "127.0.0.1:8000", fmt.Sprintf("127.0.0.1:%d", port), 1)); err != nil {
		t.Error(err)
	}
}
