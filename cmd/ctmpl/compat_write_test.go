package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ctmpl/ctmpl/internal/servers"
)

// TestWriteToFileAgainstConsulTemplate compares the files that a template leaves
// beside its output: names, modes and contents.
func TestWriteToFileAgainstConsulTemplate(t *testing.T) {
	t.Parallel()
	peer, err := servers.ConsulTemplatePath()
	if err != nil {
		t.Fatal(err)
	}
	agent := servers.RunConsul(t, servers.ConsulOptions{})
	seed(t, agent.Client)
	for _, tc := range []struct{ name, text string }{
		{"plain", `{{"x" | writeToFile "DIR/f" "" "" "0644"}}{{writeToFile "DIR/sub/dir/g" "" "" "400" "y"}}`},
		{"empty", `{{"" | writeToFile "DIR/f" "" "" "0644"}}{{"" | writeToFile "DIR/g" "" "" "0600" "newline"}}{{"" | writeToFile "DIR/h" "" "" "0" "append"}}`},
		{"key", `{{key "app/name" | writeToFile "DIR/f" "" "" "0600"}}{{range tree "conf"}}{{.Value | writeToFile (printf "DIR/%s" .Key) "" "" "0640" "newline"}}{{end}}`},
		{"append", `{{"a" | writeToFile "DIR/f" "" "" "0600"}}{{"b" | writeToFile "DIR/f" "" "" "0644" "append"}}{{"c" | writeToFile "DIR/f" "" "" "0640" "append,newline"}}`},
		{"replace", `{{"new" | writeToFile "DIR/there" "" "" "0644"}}`},
		{"mode of one that is there", `{{"old" | writeToFile "DIR/there" "" "" "0600"}}`},
		{"modes", `{{"x" | writeToFile "DIR/a" "" "" "777"}}{{"x" | writeToFile "DIR/b" "" "" "7755"}}{{"x" | writeToFile "DIR/c" "" "" "000"}}`},
		{"owner", fmt.Sprintf(`{{"x" | writeToFile "DIR/a" "%d" "" "0644"}}{{"x" | writeToFile "DIR/b" "" "%d" "0644"}}`, os.Getuid(), os.Getgid())},
		{"flags", `{{"x" | writeToFile "DIR/a" "" "" "0644" "what"}}{{"x" | writeToFile "DIR/b" "" "" "0644" "newlines"}}{{"x" | writeToFile "DIR/c" "" "" "0644" "append" "newline"}}`},
		{"link", `{{"x" | writeToFile "DIR/link" "" "" "0644"}}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var left [2]string
			for i, binary := range []string{peer, program(t)} {
				dir := t.TempDir()
				if err := os.WriteFile(filepath.Join(dir, "there"), []byte("old"), 0o644); err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink("there", filepath.Join(dir, "link")); err != nil {
					t.Fatal(err)
				}
				r := once(t, binary, agent.HTTPAddr, []byte(strings.ReplaceAll(tc.text, "DIR", dir)))
				left[i] = fmt.Sprintf("exit code %d, output %q\n%s", r.Code, r.Output, listing(t, dir))
			}
			if diff := cmp.Diff(left[0], left[1]); diff != "" {
				t.Errorf("(-consul-template +ctmpl)\n%s", diff)
			}
		})
	}
}

// listing gives path, mode and content of all files below dir.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || path == dir {
			return err
		}
		content, _ := os.ReadFile(path)
		fmt.Fprintf(&b, "%s %s %q\n", strings.TrimPrefix(path, dir), info.Mode(), content)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
