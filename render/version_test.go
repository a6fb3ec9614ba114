package render

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ctmpl/ctmpl/funcs"
	"github.com/ctmpl/ctmpl/watch"
)

func versionOf(t *testing.T, store *watch.Store, text string) Result {
	t.Helper()
	var results []Result
	for _, format := range []string{"", FormatNginx} {
		tmpl, err := Parse("t.tmpl", text, Syntax{Format: format})
		if err != nil {
			t.Fatal(err)
		}
		r, err := tmpl.Execute(t.Context(), store)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(r.Output), funcs.VersionPlaceholder) && r.Version != "" {
			t.Errorf("%s: the placeholder is left in %q", text, r.Output)
		}
		results = append(results, r)
	}
	if string(results[0].Output) != string(results[1].Output) || results[0].Version != results[1].Version {
		t.Errorf("%s: %+v", text, results)
	}
	return results[0]
}

func TestConfigVersion(t *testing.T) {
	t.Parallel()
	store := watch.NewStore()
	store.Put(keyQuery("k"), "one")
	const text = `{{ define "v" }}return 200 "{{ configVersion }}";{{ end }}{{ key "k" }} {{ executeTemplate "v" }} {{ configVersion | printf "%s" }}`
	r := versionOf(t, store, text)
	sum := sha256.Sum256([]byte(strings.ReplaceAll(`one return 200 "V"; V`, "V", funcs.VersionPlaceholder)))
	want := hex.EncodeToString(sum[:])[:16]
	if r.Version != want || string(r.Output) != fmt.Sprintf(`one return 200 "%s"; %s`, want, want) {
		t.Errorf("got %+v %q, want %s", r.Version, r.Output, want)
	}
	store.Put(keyQuery("k"), "two")
	if other := versionOf(t, store, text); other.Version == r.Version || other.Version == "" {
		t.Errorf("another output has the version %q", other.Version)
	}
	store.Put(keyQuery("k"), "one")
	if again := versionOf(t, store, text); again.Version != r.Version {
		t.Errorf("the same output has the versions %q and %q", again.Version, r.Version)
	}
}

// Data that has the placeholder in it is nothing special, and neither is a template
// that prints no version.
func TestConfigVersionOnlyWhereItIsUsed(t *testing.T) {
	t.Parallel()
	store := watch.NewStore()
	store.Put(keyQuery("k"), funcs.VersionPlaceholder)
	if r := versionOf(t, store, `{{ key "k" }}`); r.Version != "" || string(r.Output) != funcs.VersionPlaceholder {
		t.Errorf("got %+v", r)
	}
	if r := versionOf(t, store, `x{{ if configVersion }}y{{ end }}`); r.Version != "" || string(r.Output) != "xy" {
		t.Errorf("got %+v", r)
	}
}

func TestConfigVersionInFurtherFiles(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	store := watch.NewStore()
	store.Put(keyQuery("k"), "one")
	text := fmt.Sprintf(`a {{ configVersion }}{{ printf "%%s %%s" (key "k") configVersion | writeToFile %q "" "" "0644" }}`, path)
	r := versionOf(t, store, text)
	if len(r.Writes) != 1 || string(r.Writes[0].Content) != "one "+r.Version || string(r.Output) != "a "+r.Version || len(r.Version) != 16 {
		t.Errorf("got %+v", r)
	}
	store.Put(keyQuery("k"), "two")
	if other := versionOf(t, store, text); other.Version == r.Version {
		t.Error("another file has the same version")
	}
}
