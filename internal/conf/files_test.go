package conf

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{
		"conf.d/10.hcl", "conf.d/9.json", "conf.d/a/2.hcl", "conf.d/a/b/1.hcl", "conf.d/a.hcl", "conf.d/old.hcl~",
		"conf.d/.hidden", "conf.d/.git/config", "conf.d/a/.x", "elsewhere/x.hcl",
	} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	conf := filepath.Join(dir, "conf.d")
	for link, target := range map[string]string{"linked.hcl": "../elsewhere/x.hcl", "linked.d": "../elsewhere", "gone.hcl": "nowhere"} {
		if err := os.Symlink(target, filepath.Join(conf, link)); err != nil {
			t.Fatal(err)
		}
	}
	files, err := Files(conf)
	if err != nil {
		t.Fatal(err)
	}
	for i := range files {
		files[i] = strings.TrimPrefix(files[i], conf+"/")
	}
	want := []string{"10.hcl", "9.json", "a/2.hcl", "a/b/1.hcl", "a.hcl", "linked.hcl"}
	if !slices.Equal(files, want) {
		t.Errorf("got %q, want %q", files, want)
	}
	if one, err := Files(conf + "/10.hcl"); err != nil || !slices.Equal(one, []string{conf + "/10.hcl"}) {
		t.Errorf("got %q, %v", one, err)
	}
	if _, err := Files(conf + "/none"); err == nil {
		t.Error("a path that there is not is no error")
	}
}
