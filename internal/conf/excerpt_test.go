package conf

import (
	"os"
	"path/filepath"
	"testing"
)

func TestExcerpt(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.hcl")
	src := "a = 1\n\ttoken = \"s3\\\"cret\" typo\nü = { \"b\": \"s3cret\", c: \"\" }\nopen = \"s3cret\n"
	if err := os.WriteFile(path, []byte(src), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		line, column int
		want         string
	}{
		{1, 1, "  1 | a = 1\n    | ^"},
		{1, 5, "  1 | a = 1\n    |     ^"},
		{2, 20, "  2 | \ttoken = \"…\" typo\n    | \t           ^"},
		{2, 14, "  2 | \ttoken = \"…\" typo\n    | \t        ^"},
		{3, 7, "  3 | ü = { \"b\": \"…\", c: \"\" }\n    |       ^"},
		{4, 15, "  4 | open = \"…\"\n    |           ^"},
		{9, 1, ""},
	} {
		if got := Excerpt(Pos{path, tc.line, tc.column}.Errorf("x")); got != tc.want {
			t.Errorf("%d:%d: got\n%s\nwant\n%s", tc.line, tc.column, got, tc.want)
		}
	}
}
